"""Where the electrodes of the 10-05 system and of numbered caps lie on a head."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head

log = logging.getLogger(__name__)

TEN_FIVE = "10-05"
TABLE = Path(__file__).with_name("caps.tsv")

# An affine map has twelve parameters: from fewer shared electrodes than this it is not known.
FEWEST_SHARED = 8

Place = NDArray[np.float64]


@dataclass(frozen=True)
class Cap:
    """A cap whose inputs are numbered.

    Attributes
    ----------
    name : str
        Such as ``biosemi128``.
    inputs : tuple of str
        As the amplifier numbers them, in order: ``A1``, ``E12``. The reference of a geodesic net
        comes last.
    electrodes : tuple of str
        What `places` calls the electrode of each input.
    has_reference : bool
        Whether the last input is the reference, which many a stream leaves out.
    """

    name: str
    inputs: tuple[str, ...]
    electrodes: tuple[str, ...]
    has_reference: bool


@cache
def _table() -> dict[str, dict[str, str | Place]]:
    """Read the table: by cap and label, a 10-05 name or a place in metres."""
    table: dict[str, dict[str, str | Place]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            cap, label, *at = line.split("\t")
            row = at[0] if len(at) == 1 else np.array(at, float) * 1e-3
            table.setdefault(cap, {})[label] = row
    return table


def ten_five_names() -> tuple[str, ...]:
    """Return the names of the electrodes of the 10-05 system."""
    return tuple(_table()[TEN_FIVE])


def cap_names() -> tuple[str, ...]:
    """Return the names of the numbered caps, by maker and size."""
    caps = [cap for cap in _table() if cap != TEN_FIVE]
    return tuple(sorted(caps, key=lambda cap: (cap.rstrip("0123456789"), len(_table()[cap]))))


@cache
def find_cap(name: str) -> Cap:
    """Return a numbered cap by one of `cap_names`."""
    rows = _table()[name]
    electrodes = tuple(_electrode(name, label) for label in rows)
    return Cap(name, tuple(rows), electrodes, has_reference=name.startswith("egi"))


def _electrode(cap: str, label: str) -> str:
    """Return what an input's electrode is called: by its place, else as the cap numbers it.

    Some numbers of large caps read like places: C3 of 128 channels is not C3 of the 10-20 system.
    """
    row = _table()[cap][label]
    if isinstance(row, str):
        return row
    return f"{cap} {label}" if label in _table()[TEN_FIVE] else label


def electrode_places(head: Head, cap: Cap | None = None) -> Mapping[str, Place]:
    """Return where electrodes lie on a head.

    The table's places are brought into the head's frame by the affine map that fits the model's
    electrodes best; the model's own electrodes lie exactly where its head has them. On the shipped
    heads, whose electrodes are 10-05 positions of the same frame, the fit leaves 0.05 mm, the
    table's rounding.

    Parameters
    ----------
    head : Head
    cap : Cap, optional
        Whose electrodes to add to those of the 10-05 system.

    Returns
    -------
    places_m : mapping of str to ndarray, shape (3,)
        By name. Of a head that shares fewer than 8 electrodes with the table: its own alone.
    """
    own = dict(zip(head.channels, head.electrodes_m.astype(float), strict=True))
    fit = _fit(head)
    if fit is None:
        return own
    affine, residual_m = fit
    table = _ten_five()
    if cap is not None:
        rows = zip(cap.electrodes, _table()[cap.name].values(), strict=True)
        table |= {name: at for name, at in rows if not isinstance(at, str)}
    system = np.column_stack([np.array(list(table.values())), np.ones(len(table))])
    log.debug("10-05 places lie within %.2g mm of the model's electrodes", residual_m * 1e3)
    return dict(zip(table, system @ affine, strict=True)) | own


def off_names_m(head: Head) -> float:
    """Return how far a head's electrodes lie from where their names say, root mean square.

    Zero where fewer than 8 have names of the 10-05 system.
    """
    fit = _fit(head)
    return 0.0 if fit is None else fit[1]


def _ten_five() -> dict[str, Place]:
    """Return the table's places of the 10-05 system."""
    return {name: at for name, at in _table()[TEN_FIVE].items() if not isinstance(at, str)}


def _fit(head: Head) -> tuple[NDArray[np.float64], float] | None:
    """Return the affine map of the table's places into a head's frame, and what it leaves."""
    table = _ten_five()
    shared = [i for i, name in enumerate(head.channels) if name in table]
    if len(shared) < FEWEST_SHARED:
        return None
    places = np.array([table[head.channels[i]] for i in shared])
    system, onto = np.column_stack([places, np.ones(len(shared))]), head.electrodes_m[shared]
    affine = np.linalg.lstsq(system, onto.astype(float), rcond=None)[0]
    left_m = system @ affine - onto
    return affine, float(np.sqrt(np.mean(np.sum(left_m**2, axis=1))))
