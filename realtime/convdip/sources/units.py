"""In which unit a file's numbers are stored, and what MNE's reader made of them.

MNE returns volts: each reader multiplies the stored numbers by what the file states, or by what it
takes the format to mean. To know better, one has to know what it did.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convdip.errors import MontageError
from convdip.live.labels import electrode_name
from convdip.live.units import volts_per_unit

# What MNE calls a unit that it does not know, or that is not there.
UNKNOWN = "n/a"


@dataclass(frozen=True)
class Stored:
    """How a channel's numbers are stored.

    Attributes
    ----------
    unit : str
        As the file states it, or its format does; may be empty.
    factor : float
        What the reader multiplied the stored numbers by.
    """

    unit: str
    factor: float


def stored_channels(raw: Any, path: Path) -> list[Stored] | None:
    """Return how the channels of a recording are stored.

    Parameters
    ----------
    raw : mne.io.BaseRaw
        As its reader returned it.
    path : Path
        Where it was read from.

    Returns
    -------
    stored : list of Stored, or None
        One a channel; None for a format that states no unit, so that the reader assumes one.
    """
    reader = type(raw).__name__
    channels = raw.info["chs"]
    stated = [raw._orig_units.get(name, UNKNOWN) for name in raw.ch_names]
    if reader in ("RawEDF", "RawBDF"):
        # Only µV and mV are multiplied: «nV» and «uv» come as if they were volts.
        extras = raw._raw_extras[0]
        texts = _edf_units(path)
        units = [
            texts[place] if unit == UNKNOWN else unit
            for place, unit in zip(extras["sel"], stated, strict=True)
        ]
        return [Stored(*pair) for pair in zip(units, extras["units"].tolist(), strict=True)]
    if reader == "RawGDF":  # states units by number, of which the reader knows these two
        units_of = {1e-6: "microvolts", 1e-3: "millivolts"}
        return [Stored(units_of.get(f, ""), f) for f in raw._raw_extras[0]["units"].tolist()]
    if reader == "RawBrainVision":
        return [Stored(u, c["range"]) for u, c in zip(stated, channels, strict=True)]
    if reader == "RawCurry":
        return [Stored(u, c["cal"]) for u, c in zip(stated, channels, strict=True)]
    if reader == "RawEEGLAB":  # states none: microvolts, by the format's convention
        return [Stored("microvolts", c["cal"]) for c in channels]
    if reader == "Raw":  # FIF is in SI units
        return [Stored("volts", 1.0) for _ in channels]
    return None


def _edf_units(path: Path) -> list[str]:
    """Return the units in the header of an EDF or BDF file: eight bytes a channel."""
    with path.open("rb") as file:
        n_channels = int(file.read(256)[252:256])
        file.seek(256 + n_channels * (16 + 80))  # behind labels and transducers
        return [file.read(8).decode("latin-1").strip(" \0") for _ in range(n_channels)]


def known_units(
    labels: Sequence[str], units: Sequence[str], electrodes: Collection[str]
) -> dict[int, float]:
    """Return volts per unit of the channels whose unit is known, by their index.

    Triggers and auxiliary channels often have no unit, and need none.

    Parameters
    ----------
    labels, units : sequences of str, length n_channels
    electrodes : collection of str
        Names of electrodes.

    Raises
    ------
    MontageError
        If an electrode has no known unit, or no channel has.
    """
    factors: dict[int, float] = {}
    unknown = []
    for index, (label, unit) in enumerate(zip(labels, units, strict=True)):
        try:
            factors[index] = volts_per_unit(unit, label)
        except MontageError as error:
            if electrode_name(label, electrodes):
                raise
            unknown.append(error)
    if unknown and not factors:
        raise unknown[0]
    return factors
