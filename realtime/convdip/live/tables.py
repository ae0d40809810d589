"""Tables of TOML files: read, and checked value by value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from convdip.errors import ConfigError
from convdip.files import TEXT_BYTES, parse_toml, read_file
from convdip.text import shown

# Of a setting: paths and lists of regions are the longest.
MOST_CHARACTERS = 10_000
# Of a value that is refused, how much is shown.
MOST_OF_VALUE = 100

# What a value has to be: a check, and in words.
Expected = Mapping[str, tuple[Callable[[Any], bool], str]]


def read_tables(path: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    path : Path
    what : str
        What is missing where there is no such file.

    Raises
    ------
    ConfigError
        If it cannot be read.
    """
    try:
        return parse_toml(read_file(path, TEXT_BYTES))
    except OSError as error:
        raise ConfigError(f"no {what} at {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def checked(where: str, table: object, expected: Expected) -> dict[str, Any]:
    """Return a table whose keys are known and whose values are what they should be.

    Parameters
    ----------
    where : str
        What the table is, for the message.
    table : object
    expected : mapping

    Raises
    ------
    ConfigError
        If it is none such.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is no table: expected {', '.join(expected)}")
    for key, value in table.items():
        if key not in expected:
            raise ConfigError(f"{where} has {key[:100]!r}: expected {', '.join(expected)}")
        is_right, what = expected[key]
        if not is_right(value):
            raise ConfigError(
                f"{where} {key} is {shown(str(value), MOST_OF_VALUE)}: expected {what}"
            )
    return table


def is_text(value: object) -> bool:
    """Whether it is text of one line, that says something."""
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= MOST_CHARACTERS


def is_number(value: object) -> bool:
    """Whether it is a finite number, and neither true nor false."""
    return isinstance(value, int | float) and not isinstance(value, bool) and is_finite(value)


def is_finite(value: float) -> bool:
    """Whether a number can be reckoned with: not NaN, not infinite, no integer beyond floats."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
