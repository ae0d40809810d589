"""Features as a settings file names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from convdip.errors import ConfigError
from convdip.feedback.features import WINDOW_S, Measure
from convdip.live.setting_types import check_types
from convdip.live.tables import Expected, checked, is_number, is_text, read_tables


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

    def __post_init__(self) -> None:
        check_types(self)


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

    def is_numbers(value: object) -> bool:
        return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))

    def is_names(value: object) -> bool:
        return bool(value) and all(map(is_text, value if isinstance(value, list) else [value]))

    expected: Expected = {
        "regions": (is_names, "names"),
        "measure": (lambda value: value in get_args(Measure), ", ".join(get_args(Measure))),
        "window_s": (is_number, "seconds"),
        "band_hz": (is_numbers, "two edges, such as [8, 12]"),
        "of": (is_text, "an expression in quotation marks"),
    }
    table = checked(where, table, expected)
    if "band_hz" in table:
        low, high = table["band_hz"]
        table = {**table, "band_hz": (float(low), float(high))}
    return FeatureSettings(**table)


def listed(said: str | Sequence[str]) -> tuple[str, ...]:
    """Return what was named, by comma or one by one."""
    names = said.split(",") if isinstance(said, str) else said
    return tuple(name.strip() for name in names if name.strip())
