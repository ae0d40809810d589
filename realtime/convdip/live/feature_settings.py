"""Features as a settings file names them."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from convdip.errors import ConfigError
from convdip.feedback.features import WINDOW_S, Measure


@dataclass(frozen=True)
class FeatureSettings:
    """What is measured, or how it follows from what is.

    Attributes
    ----------
    regions : str or sequence of str
        By comma, taken as one.
    measure : 'power', 'amplitude' or 'moment'
    window_s : float
    band_hz : (float, float) or None
        Edges in Hz; without them, as the service filters.
    of : str
        In place of all that, an expression of other features: log(left) - log(right).
    """

    regions: str | Sequence[str] = ()
    measure: Measure = "power"
    window_s: float = WINDOW_S
    band_hz: tuple[float, float] | None = None
    of: str = ""


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
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"no {what} at {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def read_features(path: Path) -> dict[str, FeatureSettings]:
    """Read the tables ``[feature.NAME]`` of a TOML file.

    Raises
    ------
    ConfigError
        If it cannot be read, or holds anything that is no feature.
    """
    tables = read_tables(path, "features").get("feature", {})
    if not (isinstance(tables, dict) and tables):
        raise ConfigError(f"{path} has no features: expected tables such as [feature.alpha]")
    return {name: _feature(f"{path}: [feature.{name}]", table) for name, table in tables.items()}


def _feature(where: str, table: object) -> FeatureSettings:
    """Read one table."""
    known = [one.name for one in fields(FeatureSettings)]
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is no table: expected {', '.join(known)}")
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ConfigError(f"{where} has {unknown[0]!r}: expected {', '.join(known)}")

    def is_numbers(value: object) -> bool:
        if not (isinstance(value, list) and len(value) == 2):
            return False
        return all(type(number) in (int, float) for number in value)

    def is_names(value: object) -> bool:
        names = value if isinstance(value, list) else [value]
        return all(isinstance(name, str) for name in names)

    expected = {
        "regions": (is_names, "names"),
        "measure": (lambda value: value in get_args(Measure), ", ".join(get_args(Measure))),
        "window_s": (lambda value: type(value) in (int, float), "seconds"),
        "band_hz": (is_numbers, "two edges, such as [8, 12]"),
        "of": (lambda value: isinstance(value, str), "an expression in quotation marks"),
    }
    for key, value in table.items():
        is_right, what = expected[key]
        if not is_right(value):
            raise ConfigError(f"{where} {key} is {str(value)[:100]}: expected {what}")
    if "band_hz" in table:
        low, high = table["band_hz"]
        table = {**table, "band_hz": (float(low), float(high))}
    return FeatureSettings(**table)


def listed(said: str | Sequence[str]) -> tuple[str, ...]:
    """Return what was named, by comma or one by one."""
    names = said.split(",") if isinstance(said, str) else said
    return tuple(name.strip() for name in names if name.strip())
