"""From the numbers of a stream to volts."""

from __future__ import annotations

import math
import re

from convdip.errors import MontageError

VOLTS = {
    **dict.fromkeys(("v", "volt", "volts", "0"), 1.0),
    **dict.fromkeys(("mv", "millivolt", "millivolts", "-3"), 1e-3),
    # Two Unicode letters look like a micro sign: U+00B5 and the Greek U+03BC.
    **dict.fromkeys(("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts", "-6"), 1e-6),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts", "-9"), 1e-9),
}

# «0.0244uV», «1e-6 V»: what a step of 1 in the numbers is. The names that are numbers themselves
# (powers of ten) take none before them.
_NUMBER = re.compile(r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(?P<unit>[^\W\d_]+)")


def volts_per_unit(unit: str, label: str | None = None) -> float:
    """Return the factor from a unit to volts.

    Parameters
    ----------
    unit : str
        A unit, or a number with a unit: what a step of 1 in the stream's numbers is.
    label : str, optional
        Of the channel that states it; without one, the user set the unit.

    Raises
    ------
    MontageError
        If the unit is missing or unknown: a guess could be off by a factor of a million.

    Examples
    --------
    >>> volts_per_unit("mV"), volts_per_unit("0.5 uV")
    (0.001, 5e-07)
    """
    factor = stated_volts(unit)
    if factor is not None:
        return factor
    if label is None:
        raise MontageError(
            f"`unit` is {unit!r}: expected volts, millivolts, microvolts or nanovolts (V, mV, uV, "
            "nV), or what a step of 1 in the numbers is, as `unit='0.0244uV'`"
        )
    stated = f"the unit {unit!r}" if unit.strip() else "no unit"
    raise MontageError(
        f"channel {label!r} has {stated}: expected volts, millivolts or microvolts; set it in the "
        "sender or the file, or say what a step of 1 in its numbers is, which the amplifier's "
        "manual tells: for example `unit='0.0244uV'`"
    )


def stated_volts(unit: str) -> float | None:
    """Return the factor from a unit to volts; None for what is no unit."""
    text = unit.strip().lower()
    if text in VOLTS:
        return VOLTS[text]
    match = _NUMBER.fullmatch(text)
    if match is None or match["unit"] not in VOLTS:
        return None
    factor = float(match["number"]) * VOLTS[match["unit"]]
    return factor if 0 < factor < math.inf else None
