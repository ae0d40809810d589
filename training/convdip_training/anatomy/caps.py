"""Where the electrodes of a cap lie on the head."""

from __future__ import annotations

import mne
import numpy as np
from convdip.errors import ConfigError
from numpy.typing import NDArray

Places = NDArray[np.float64]


def standard_places_m(names: tuple[str, ...]) -> dict[str, Places]:
    """Return the 10-05 positions of electrodes on the template head, in head coordinates, metres.

    Raises
    ------
    ConfigError
        If an electrode is not in the 10-05 system.
    """
    montage = mne.channels.make_standard_montage("colin27_1005")
    missing = [name for name in names if name not in montage.ch_names]
    if missing:
        raise ConfigError(f"electrodes {', '.join(missing)} are not in the 10-05 system")
    info = mne.create_info(list(names), sfreq=100.0, ch_types="eeg").set_montage(montage)
    return {ch["ch_name"]: ch["loc"][:3] for ch in info["chs"]}


def displaced(
    places_m: dict[str, Places], sd_m: float, rng: np.random.Generator
) -> dict[str, Places]:
    """Return electrodes moved at random, each on its own, by so much along each axis."""
    return {name: at + rng.normal(0, sd_m, 3) for name, at in places_m.items()}


def place_electrodes(places_m: dict[str, Places]) -> mne.Info:
    """Return an MNE info of electrodes at positions in head coordinates, metres."""
    info = mne.create_info(list(places_m), sfreq=100.0, ch_types="eeg")
    return info.set_montage(mne.channels.make_dig_montage(places_m, coord_frame="head"))
