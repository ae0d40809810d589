"""Arrays of a file that somebody else wrote (`.npz`): what it says of itself is checked first.

A file of one megabyte can say that it unpacks to a thousand. So nothing is unpacked, nor memory
asked for, before the directory and the header of each array are what they should be.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# All arrays of a file together, in bytes: a cortex of 80,000 dipoles under 1,000 electrodes.
MOST_BYTES = 512 << 20
MOST_ENTRIES = 256
# Of a name in an array of them.
MOST_CHARACTERS = 256
# What NumPy writes is a tenth of that.
MOST_HEADER = 1000

_MAGIC = b"\x93NUMPY\x01\x00"
_START = len(_MAGIC) + 2
# Python's own parser, which NumPy asks, raises whatever it likes of what is no dictionary.
_DESCRIBED = re.compile(
    rb"\{\s*'descr':\s*'(?P<dtype>[<>|=]?[a-zA-Z][0-9]{0,4})',"
    rb"\s*'fortran_order':\s*(?P<order>True|False),"
    rb"\s*'shape':\s*\((?P<shape>[0-9, ]*)\),?\s*\}\s*"
)

Kind = Literal["number", "index", "text"]
_KINDS: dict[Kind, str] = {"number": "f", "index": "iu", "text": "U"}
_WORDS: dict[Kind, str] = {
    "number": "floating-point numbers",
    "index": "integers",
    "text": f"text of {MOST_CHARACTERS} characters at most",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What an array has to be.

    Attributes
    ----------
    kind : 'number', 'index' or 'text'
    n_axes : int
    """

    kind: Kind
    n_axes: int


@dataclass(frozen=True, slots=True)
class _Header:
    entry: zipfile.ZipInfo
    at: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_by_columns: bool


def read_arrays(content: bytes, expected: Mapping[str, Expected]) -> dict[str, NDArray[Any]]:
    """Read those arrays that are expected, as far as they are there.

    Parameters
    ----------
    content : bytes
        Of the file.
    expected : mapping of str to Expected

    Raises
    ------
    ValueError
        If it is no such file, or an array in it is not what is expected.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = _entries(archive, expected)
            headers = {
                name: _header(archive, name, entry, expected[name])
                for name, entry in entries.items()
            }
            return {name: _read(archive, header) for name, header in headers.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"no intact archive: {error}") from None
    except (OSError, RuntimeError, MemoryError, OverflowError, TypeError, KeyError) as error:
        raise ValueError(f"not understood: {error}") from None


def _entries(
    archive: zipfile.ZipFile, expected: Mapping[str, Expected]
) -> dict[str, zipfile.ZipInfo]:
    """Return where the arrays are, once the archive's directory is believable."""
    infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise ValueError(f"{len(infos)} entries, expected {MOST_ENTRIES} at most")
    entries: dict[str, zipfile.ZipInfo] = {}
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise ValueError(f"{info.filename[:100]!r} overlaps another entry")
        end = info.header_offset + info.compress_size
        if info.flag_bits & 1:
            raise ValueError(f"{info.filename[:100]!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{info.filename[:100]!r} is compressed in an unknown way")
        name = info.filename.removesuffix(".npy")
        if name in entries:
            raise ValueError(f"{name!r} is there twice")
        if name in expected:
            entries[name] = info
    total = sum(info.file_size for info in entries.values())
    if total > MOST_BYTES:
        raise ValueError(f"unpacks to {total:,} bytes, expected {MOST_BYTES:,} at most")
    return entries


def _header(
    archive: zipfile.ZipFile, name: str, entry: zipfile.ZipInfo, expected: Expected
) -> _Header:
    """Return what an array says of itself, once it is one that its place can hold."""
    with archive.open(entry) as file:
        start = file.read(_START)
        length = int.from_bytes(start[len(_MAGIC) :], "little")
        if not start.startswith(_MAGIC) or length > MOST_HEADER:
            raise ValueError(f"{name} is no array of NumPy's format 1.0")
        said = _DESCRIBED.fullmatch(file.read(length))
    if said is None:
        raise ValueError(f"{name} has no header that can be read, or holds no plain values")
    dtype = np.dtype(said["dtype"].decode())
    shape = tuple(int(size) for size in said["shape"].split(b",") if size.strip())
    n_bytes, is_long = math.prod(shape) * dtype.itemsize, dtype.itemsize > 4 * MOST_CHARACTERS
    if dtype.kind not in _KINDS[expected.kind] or is_long:
        raise ValueError(f"{name} holds {dtype}, expected {_WORDS[expected.kind]}")
    if len(shape) != expected.n_axes:
        raise ValueError(f"{name} has the shape {shape}, expected {expected.n_axes} axes")
    at = _START + length
    if at + n_bytes != entry.file_size:
        raise ValueError(
            f"{name} has {entry.file_size - at:,} bytes, expected {n_bytes:,}: {dtype} of the "
            f"shape {shape}"
        )
    return _Header(entry, at, dtype, shape, said["order"] == b"True")


def _read(archive: zipfile.ZipFile, header: _Header) -> NDArray[Any]:
    with archive.open(header.entry) as file:
        content = file.read(header.entry.file_size + 1)  # to the end, where the checksum is
    if len(content) != header.entry.file_size:
        raise ValueError(f"{header.entry.filename} has not the length that it says")
    values = np.frombuffer(bytearray(content), header.dtype, offset=header.at)
    return values.reshape(header.shape, order="F" if header.is_by_columns else "C")
