"""Step 2: match the stream's channels with the model's electrodes, and convert to volts."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.errors import MontageError

# Older names of the same 10-20 positions.
ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

# «EEG Fp1-REF», «Fp1-A2»: a reference behind the name. Any other second name makes the channel
# bipolar («Fp1-F7»), which is not the potential at Fp1.
_LABEL = re.compile(
    r"^(?:EEG[ _-]+)?(?P<name>[A-Z]+\d*Z?)"
    r"(?:-(?P<reference>REF|LE|AR|AVG|CAR|A1|A2|M1|M2))?$"
)

VOLTS = {
    **dict.fromkeys(("v", "volt", "volts", "0"), 1.0),
    **dict.fromkeys(("mv", "millivolt", "millivolts", "-3"), 1e-3),
    # Two Unicode letters look like a micro sign: U+00B5 and the Greek U+03BC.
    **dict.fromkeys(("uv", "\u00b5v", "\u03bcv", "microvolt", "microvolts", "-6"), 1e-6),
    **dict.fromkeys(("nv", "nanovolt", "nanovolts", "-9"), 1e-9),
}

# With fewer measured electrodes the interpolated ones outweigh the evidence.
MIN_ELECTRODES = 20


def electrode_name(label: str, electrodes: Collection[str]) -> str | None:
    """Return the electrode that a channel label names, or None.

    Ignores case, surrounding dots and blanks, a leading ``EEG`` and a trailing reference; reads
    T3, T4, T5 and T6 as T7, T8, P7 and P8.

    Examples
    --------
    >>> electrode_name("EEG Fp1-REF", ["Fp1", "T7"]), electrode_name("T3..", ["Fp1", "T7"])
    ('Fp1', 'T7')
    """
    match = _LABEL.match(label.strip(" .").upper())
    if match is None:
        return None
    by_upper = {name.upper(): name for name in electrodes}
    name = match["name"]
    return by_upper.get(name) or by_upper.get(ALIASES.get(name, ""))


def stated_reference(label: str) -> str:
    """Return the reference that follows the electrode in a channel label, or an empty string."""
    match = _LABEL.match(label.strip(" .").upper())
    return (match["reference"] or "") if match else ""


def volts_per_unit(unit: str, label: str | None = None) -> float:
    """Return the factor from a unit to volts.

    Parameters
    ----------
    unit : str
    label : str, optional
        Of the channel that states it; without one, the user set the unit.

    Raises
    ------
    MontageError
        If the unit is missing or unknown: a guess could be off by a factor of a million.
    """
    factor = VOLTS.get(unit.strip().lower())
    if factor is None:
        if label is None:
            raise MontageError(
                f"`unit` is {unit!r}: expected volts, millivolts, microvolts or nanovolts (V, mV, "
                "uV, nV)"
            )
        stated = f"the unit {unit!r}" if unit.strip() else "no unit"
        raise MontageError(
            f"channel {label!r} has {stated}: expected volts, millivolts or microvolts; set it "
            "in the sender or the file, or give `unit='microvolts'`"
        )
    return factor


@dataclass(frozen=True)
class Montage:
    """How a stream's channels become the model's electrodes.

    Attributes
    ----------
    to_volts : ndarray, shape (n_electrodes, n_stream_channels)
        Picks, orders and converts to volts; the row of a missing electrode is zero.
    missing : tuple of str
        Electrodes that the stream does not have, to be interpolated.
    unused : tuple of str
        Channels of the stream that are not electrodes of the model.
    """

    to_volts: NDArray[np.float64]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def used(self) -> NDArray[np.intp]:
        """Indices of the stream's channels that are electrodes of the model.

        Pick by these before multiplying: a weight of 0 does not keep a NaN out.
        """
        return np.flatnonzero(self.to_volts.any(axis=0))


def match_montage(
    labels: Sequence[str],
    units: Sequence[str],
    electrodes: Sequence[str],
    at_least: int = MIN_ELECTRODES,
) -> Montage:
    """Match a stream's channels with the model's electrodes by label.

    Parameters
    ----------
    labels, units : sequences of str, length n_stream_channels
        As the stream describes them.
    electrodes : sequence of str
        The model's electrodes, in order.
    at_least : int
        Fewest electrodes required.

    Raises
    ------
    MontageError
        If two channels claim one electrode, the channels have several references, a unit is
        unknown, or too few electrodes are there.
    """
    to_volts = np.zeros((len(electrodes), len(labels)))
    channel_of: dict[str, str] = {}
    unused = []
    for index, (label, unit) in enumerate(zip(labels, units, strict=True)):
        name = electrode_name(label, electrodes)
        if name is None:
            unused.append(label)
            continue
        if name in channel_of:
            raise MontageError(
                f"channels {channel_of[name]!r} and {label!r} are both electrode {name}: rename or "
                "remove one in the sender"
            )
        channel_of[name] = label
        to_volts[electrodes.index(name), index] = volts_per_unit(unit, label)
    references = {stated_reference(label): label for label in channel_of.values()}
    if len(references) > 1:
        listed = ", ".join(f"{label!r}" for label in references.values())
        raise MontageError(
            f"the channels have several references ({listed}): expected one, which the average "
            "reference then replaces; re-reference them in the sender"
        )
    missing = tuple(name for name in electrodes if name not in channel_of)
    needed = min(at_least, len(electrodes))
    if len(channel_of) < needed:
        raise MontageError(
            f"{len(channel_of)} of the model's {len(electrodes)} electrodes are in the stream: "
            f"expected at least {needed}; " + _advice(labels, missing)
        )
    return Montage(to_volts, missing, tuple(unused))


def _advice(labels: Sequence[str], missing: Sequence[str]) -> str:
    """Say what to do about missing electrodes."""
    if not any(labels):
        return "the channels have no labels: set them in the sender, as 10-20 names"
    shown = ", ".join(labels[:8]) + (" …" if len(labels) > 8 else "")
    return (
        f"missing are {', '.join(missing)}; the channels are {shown}: if those are other names "
        "for the same places, use the 10-20 names in the sender"
    )
