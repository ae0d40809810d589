"""FreeSurfer's files of regions: annotations, one for every vertex of a hemisphere, and labels.

The formats (FreeSurfer wiki, "LabelsClutsAnnotationFiles"). An annotation is big-endian: the number
of vertices, then a vertex and its colour for each; a colour table of version 2 says which region a
colour is. A label is text: a comment, the number of vertices, then a line for each: its number,
place and a value.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError

# fsaverage has 163,842 vertices a hemisphere, a person's brain up to twice as many.
MOST_BYTES, MOST_VERTICES, MOST_REGIONS = 50_000_000, 1_000_000, 10_000
TABLE_VERSION = -2


def vertices_of(path: Path, name: str) -> NDArray[np.intp]:
    """Return the vertices of a region.

    Parameters
    ----------
    path : Path
        An ``.annot`` file.
    name : str
        Of the region; with ``*`` and ``?``, of several that are taken as one.

    Raises
    ------
    ConfigError
        If the file is none, or has no such region.
    """
    colours, names = read_annotation(path)
    chosen = [colour for known, colour in names.items() if fnmatchcase(known, name)]
    if not chosen:
        raise ConfigError(f"no region {name!r} in {path}: expected one of {', '.join(names)}")
    return np.flatnonzero(np.isin(colours, chosen))


def read_annotation(path: Path) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Read an annotation.

    Returns
    -------
    colours : ndarray of int, shape (n_vertices,)
    names : dict of str to int
        The colour of each region.

    Raises
    ------
    ConfigError
        If the file is none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError
        reader = _Reader(path.read_bytes())
        n_vertices = reader.number(MOST_VERTICES)
        pairs = reader.numbers(2 * n_vertices).reshape(-1, 2)
        if not np.array_equal(np.sort(pairs[:, 0]), np.arange(n_vertices)):
            raise ValueError
        colours = np.empty(n_vertices, np.int64)
        colours[pairs[:, 0]] = pairs[:, 1]
        if reader.number(1) != 1 or int(reader.numbers(1)[0]) != TABLE_VERSION:
            raise ValueError
        reader.number(MOST_REGIONS)  # the largest number of a region
        reader.text()  # where the table came from
        names = {}
        for _ in range(reader.number(MOST_REGIONS)):
            reader.number(MOST_REGIONS)
            name = reader.text()
            red, green, blue, rest = reader.numbers(4).tolist()
            names[name] = red + (green << 8) + (blue << 16) + (rest << 24)
    except OSError as error:
        raise ConfigError(f"the annotation {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ConfigError(
            f"{path} is no annotation with a colour table of version 2, as FreeSurfer writes them"
        ) from None
    return colours, names


def read_label(path: Path) -> NDArray[np.intp]:
    """Return the vertices of a label.

    Raises
    ------
    ConfigError
        If the file is none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError
        comment, number, *lines = path.read_text("ascii").splitlines()
        vertices = np.array([int(line.split()[0]) for line in lines if line.strip()], np.intp)
        if not comment.startswith("#") or len(vertices) != int(number):
            raise ValueError
        if not ((vertices >= 0) & (vertices < MOST_VERTICES)).all():
            raise ValueError
    except OSError as error:
        raise ConfigError(f"the label {path} cannot be read: {error.strerror}") from None
    except (ValueError, IndexError, OverflowError):
        raise ConfigError(f"{path} is no label, as FreeSurfer writes them") from None
    return vertices


class _Reader:
    """Reads what a file holds, piece by piece."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, n: int) -> NDArray[np.int64]:
        """Read integers."""
        return np.frombuffer(self._bytes(4 * n), ">i4").astype(np.int64)

    def number(self, most: int) -> int:
        """Read a number that is not negative."""
        number = int(self.numbers(1)[0])
        if not 0 <= number <= most:
            raise ValueError
        return number

    def text(self) -> str:
        """Read a text and its length."""
        return self._bytes(self.number(10_000)).rstrip(b"\0").decode("utf-8", "replace")

    def _bytes(self, n: int) -> bytes:
        piece = self._data[self._at : self._at + n]
        if len(piece) < n:
            raise ValueError
        self._at += n
        return piece
