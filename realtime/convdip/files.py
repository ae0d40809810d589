"""Small files that somebody else may have written: read whole, within bounds.

What a path names may be anything: a pipe that nobody writes to, a device that never ends, text that
nests so deeply that a parser gives up. All of it is an `OSError` or a `ValueError` with a reason.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

# Of cards, settings, protocols and baselines, in bytes: fifty times what the longest have.
TEXT_BYTES = 1 << 18
# Tables in tables, or lists in lists.
MOST_DEPTH = 32
# A key of as many parts, which would cost Python's parser the square of them, and again for each
# line below.
_LONG_KEY = re.compile(
    rb"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){%d}""" % MOST_DEPTH
)

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_file(path: Path, at_most: int) -> bytes:
    """Read a regular file, or what a link leads to if that is one.

    Parameters
    ----------
    path : Path
    at_most : int
        Bytes it may have.

    Raises
    ------
    OSError
        If there is none, or it cannot be read, is no regular file or too large; ``strerror`` says
        which.
    """
    try:
        # Opened without waiting: a pipe would wait for someone to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:  # no path at all
        raise OSError(errno.EINVAL, str(error)) from None
    try:
        status = os.fstat(descriptor)
        for is_kind, kind in _KINDS:
            if is_kind(status.st_mode):
                raise OSError(errno.EINVAL, f"{kind}, expected a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            content = b"" if status.st_size > at_most else file.read(at_most + 1)
    finally:
        os.close(descriptor)
    if max(status.st_size, len(content)) > at_most:
        raise OSError(
            errno.EFBIG,
            f"{max(status.st_size, len(content)):,} bytes, expected {at_most:,} at most",
        )
    return content


def parse_json(content: bytes) -> Any:
    """Read JSON in UTF-8: finite numbers, no name twice in a table, nothing nested too deeply.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        value = json.loads(
            content.decode(),
            object_pairs_hook=_table,
            parse_constant=_no_number,
            parse_float=_float,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(value)
    return value


def parse_toml(content: bytes) -> dict[str, Any]:
    """Read TOML, nothing in it nested too deeply.

    Raises
    ------
    ValueError
        If it is none.
    """
    if _LONG_KEY.search(content):
        raise ValueError(f"a key of more than {MOST_DEPTH} parts")
    try:
        tables = tomllib.loads(content.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    _check_depth(tables)
    return tables


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:100]!r} stands twice in a table")
    return table


def _no_number(said: str) -> float:
    raise ValueError(f"{said} is no number")


def _float(said: str) -> float:
    number = float(said)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{said[:100]} is too large a number")
    return number


def _check_depth(value: object) -> None:
    """Refuse what whoever walks through it could not, one level after another."""
    level = [value]
    for _ in range(MOST_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise ValueError(f"nested more than {MOST_DEPTH} deep")
