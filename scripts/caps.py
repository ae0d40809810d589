"""Write the table of electrode places, ``realtime/convdip/live/caps.tsv``, from MNE-Python's caps.

``.venv/bin/python scripts/caps.py``, after a change here. All places are brought into the frame of
MNE's 10-05 positions, by the affine map that fits those electrodes of a cap whose 10-20 names are
known.
"""

from __future__ import annotations

from pathlib import Path

import mne
import numpy as np
from numpy.typing import NDArray

TABLE = Path(__file__).parent.parent / "realtime/convdip/live/caps.tsv"
TEN_FIVE = "colin27_1005"

# Other names of places that have one already; ears and mastoids, which montage.py treats apart.
LEFT_OUT = {"T3", "T4", "T5", "T6", "A1", "A2", "M1", "M2"}

# BioSemi's caps up to 64 are 10-20 caps in the order of their inputs, A1 to A32 and B1 to B32.
TEN_TWENTY_CAPS = ("biosemi16", "biosemi32", "biosemi64")
# The larger ones lie on the same sphere as those.
RADIAL_CAPS = ("biosemi128", "biosemi160", "biosemi256")
# Geodesic nets: the electrodes that Luu and Ferree (2005), «Determination of the HydroCel Geodesic
# Sensor Nets' average electrode positions and their 10-10 international equivalents», find nearest
# to 10-20 places. The net of 32 is part of that of 128.
GEODESIC_NETS = {
    "egi64": ("GSN-HydroCel-65_1.0", {
        "Fp1": 10, "Fp2": 5, "Fz": 6, "F3": 12, "F4": 60, "F7": 18, "F8": 58, "C3": 20, "C4": 50,
        "T7": 24, "T8": 52, "P3": 28, "P4": 42, "P7": 30, "P8": 44, "Pz": 34, "O1": 35, "O2": 39,
        "Oz": 37,
    }),
    "egi128": ("GSN-HydroCel-129", {
        "Fp1": 22, "Fp2": 9, "Fz": 11, "F3": 24, "F4": 124, "F7": 33, "F8": 122, "C3": 36,
        "C4": 104, "T7": 45, "T8": 108, "P3": 52, "P4": 92, "P7": 58, "P8": 96, "Pz": 62, "O1": 70,
        "O2": 83, "Oz": 75,
    }),
    "egi256": ("GSN-HydroCel-257", {
        "Fp1": 37, "Fp2": 18, "Fz": 21, "F3": 36, "F4": 224, "F7": 47, "F8": 2, "C3": 59, "C4": 183,
        "T7": 69, "T8": 202, "P3": 87, "P4": 153, "P7": 96, "P8": 170, "Pz": 101, "O1": 116,
        "O2": 150, "Oz": 126,
    }),
}  # fmt: skip

HEADER = """\
# Places of electrodes, written by scripts/caps.py from the caps of MNE-Python (https://mne.tools,
# BSD-3-Clause, copyright the MNE-Python contributors). 10-05 names: R. Oostenveld and P. Praamstra
# (2001), on the head of colin27, in mm, x to the right, y to the front, z up. A cap's inputs: their
# electrode's 10-05 name, or a place in the same frame. How well caps fit there, root mean square
# over electrodes of 10-20 names:
"""

Places = dict[str, NDArray[np.float64]]


def places_m(montage: str) -> Places:
    """Return the places of one of MNE's caps, in metres, in its own frame."""
    found: Places = mne.channels.make_standard_montage(montage).get_positions()["ch_pos"]
    return found


def affine(points: NDArray[np.float64], onto: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the map, shape (4, 3), that brings points closest to others."""
    system = np.column_stack([points, np.ones(len(points))])
    fitted: NDArray[np.float64] = np.linalg.lstsq(system, onto, rcond=None)[0]
    return fitted


def mapped(places: Places, fit: NDArray[np.float64]) -> Places:
    """Return places under an affine map."""
    return {name: np.append(place, 1.0) @ fit for name, place in places.items()}


def fit_error_mm(places: Places, names: dict[str, str], standard: Places) -> float:
    """Return how far a cap's electrodes lie from the 10-20 places that they stand for."""
    gaps = [places[label] - standard[name] for label, name in names.items()]
    return float(np.sqrt(np.mean(np.sum(np.square(gaps), axis=1)))) * 1e3


def table() -> str:
    """Return the table."""
    standard = {n: p for n, p in places_m(TEN_FIVE).items() if n not in LEFT_OUT}
    rows: list[tuple[str, str, NDArray[np.float64] | str]] = []
    errors_mm: dict[str, float] = {}

    rows += [("10-05", name, place) for name, place in standard.items()]
    for cap in TEN_TWENTY_CAPS:
        inputs = [f"{'AB'[i // 32]}{i % 32 + 1}" for i in range(len(places_m(cap)))]
        rows += [(cap, *pair) for pair in zip(inputs, places_m(cap), strict=True)]

    radial = places_m("biosemi64")
    fit = affine(np.array([*radial.values()]), np.array([standard[n] for n in radial]))
    for cap in RADIAL_CAPS:
        errors_mm[cap] = fit_error_mm(mapped(radial, fit), {n: n for n in radial}, standard)
        rows += [(cap, *pair) for pair in mapped(places_m(cap), fit).items()]

    for cap, (montage, numbers) in GEODESIC_NETS.items():
        net = places_m(montage)
        names = {f"E{number}": name for name, number in numbers.items()} | {"Cz": "Cz"}
        ours = np.array([net[label] for label in names])
        fit = affine(ours, np.array([standard[name] for name in names.values()]))
        errors_mm[cap] = fit_error_mm(mapped(net, fit), names, standard)
        rows += geodesic_rows(cap, mapped(net, fit))
        if cap == "egi128":
            errors_mm["egi32"] = errors_mm[cap]
            rows += geodesic_rows("egi32", mapped(places_m("GSN-HydroCel-32"), fit))

    header = HEADER + "".join(f"# {cap}: {mm:.1f} mm\n" for cap, mm in errors_mm.items())
    return header + "".join(f"{cap}\t{label}\t{written(at)}\n" for cap, label, at in rows)


def geodesic_rows(cap: str, net: Places) -> list[tuple[str, str, NDArray[np.float64] | str]]:
    """Return the rows of a net; its reference, the vertex, comes last and is Cz."""
    rows: list[tuple[str, str, NDArray[np.float64] | str]] = [
        (cap, label, place) for label, place in net.items() if label != "Cz"
    ]
    return [*rows, (cap, f"E{len(rows) + 1}", "Cz")]


def written(at: NDArray[np.float64] | str) -> str:
    """Write a name, or a place in mm."""
    return at if isinstance(at, str) else "\t".join(f"{mm:.1f}" for mm in at * 1e3)


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    print(f"{TABLE}: {TABLE.stat().st_size / 1e3:.0f} kB")
