"""Real event-related potentials, imaged by all methods (section 2.7).

The sources of a real ERP are unknown, but for some the field agrees on a position: the distance of
each map's maximum from it is reported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import numpy as np
from convdip.display.view import Hemisphere, View
from convdip.errors import RecordingError
from convdip.head import Head
from convdip.live.montage import match_montage
from convdip.live.scale import scale_to_eeg
from convdip.live.spline import sphere_centre, spline_matrix
from convdip.live.topography import average_reference, input_matrices
from convdip.mni import mni_mm
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from convdip_training.anatomy.caps import standard_places_m
from convdip_training.baselines.erp import Erp
from convdip_training.evaluation.methods import FREE_LCMV, Method

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

_OCCIPITO_TEMPORAL = ("fusiform", "inferiortemporal", "middletemporal", "lateraloccipital")
_PARIETAL = (
    "superiorparietal",
    "inferiorparietal",
    "supramarginal",
    "precuneus",
    "isthmuscingulate",
)


@dataclass(frozen=True)
class RealErp:
    """A real ERP and what is expected of its map.

    Attributes
    ----------
    name, title, source : str
    erp : Erp
    start_s : float
        Time of the first sample, from the stimulus.
    regions : tuple of str
        Desikan-Killiany regions where the maximum is expected.
    place_mni_mm : tuple of float or None
        Where, if the field agrees on a place.
    views : tuple of (hemisphere, view)
        What is drawn.
    """

    name: str
    title: str
    source: str
    erp: Erp
    start_s: float
    regions: tuple[str, ...]
    place_mni_mm: tuple[float, float, float] | None
    views: tuple[tuple[Hemisphere, View], ...]

    @property
    def peak_ms(self) -> float:
        """Time of the imaged sample, from the stimulus."""
        return (self.start_s + self.erp.peak / self.erp.sfreq_hz) * 1e3


def load_real(head: Head, data: Path) -> list[RealErp]:
    """Return the real ERPs that are at hand, and log which are not.

    Parameters
    ----------
    head : Head
    data : Path
        Folder of public recordings; docs/data.md says what is in it and where it is from.
    """
    if lacking := {"P8", "Pz"} - set(head.channels):
        log.warning("real data: skipped, as the model has no %s", " and no ".join(sorted(lacking)))
        return []
    found = [median_nerve(head, "N20", 19.3e-3), median_nerve(head, "P30", 29.6e-3)]
    for pattern in absent(data):
        log.warning("real data: skipping %s: not found", data / pattern)
    with mne.use_log_level("error"):
        for pattern, load in kinds().items():
            found += [_loaded(load, file, head) for file in sorted(data.glob(pattern))]
    return found


def kinds() -> dict[str, Callable[[Path, Head], RealErp]]:
    """Return the loader of each kind of file, by its pattern in the folder of real data."""
    return {
        "evoked/faces_n170/faces-ave.fif": faces,
        "evoked/uci_vep/*-epo.fif": pictures,
        "evoked/erpcore_p3/*_ave.fif": targets,
    }


def absent(data: Path) -> list[str]:
    """Return the patterns of real data that match no file."""
    return [pattern for pattern in kinds() if not any(data.glob(pattern))]


def _loaded(load: Callable[[Path, Head], RealErp], file: Path, head: Head) -> RealErp:
    try:
        return load(file, head)
    except Exception as error:  # a foreign file can fail in any way
        raise RecordingError(
            f"{file} is not the file that docs/data.md describes ({error}): replace it, or remove "
            "it to do without"
        ) from error


def median_nerve(head: Head, component: str, peak_s: float) -> RealErp:
    """Return a component after stimulation of the right median nerve, from spharapy.

    Its 256 electrodes have places in mm, x to the front and y to the left (their labels are in
    another order). They are laid over the model's electrodes by the spheres that fit both
    best, then interpolated.
    """
    import spharapy.datasets

    study = spharapy.datasets.load_eeg_256_channel_study()
    x, y, z = np.asarray(study["vertlist"], float).T
    sensors = _on_sphere(np.column_stack([-y, x, z]))
    electrodes = _on_sphere(np.array([*standard_places_m(head.channels).values()]))
    spline = spline_matrix(sensors, electrodes, np.zeros(3))
    to_eeg = average_reference(len(electrodes)) @ spline
    eeg = np.asarray(study["eegdata"], float).T @ to_eeg.T * 1e-6
    sfreq_hz, start_s = 2048.0, -0.05
    peak = round((peak_s - start_s) * sfreq_hz)
    n_baseline = round(0.045 * sfreq_hz)  # to 5 ms before the stimulus
    eeg -= eeg[:n_baseline].mean(axis=0)
    return RealErp(
        f"SEP {component}",
        f"right median nerve, {component}",
        "spharapy (BSD-3), one person, 6,000 trials, 256 electrodes interpolated to the model's",
        Erp(eeg[None], sfreq_hz, n_baseline, peak, 2),
        start_s,
        # The N20 comes from area 3b; what follows, from the motor cortex too.
        ("postcentral-lh",) if component == "N20" else ("postcentral-lh", "precentral-lh"),
        (-40.0, -25.0, 54.0),  # the hand area of the left primary somatosensory cortex
        (("left", "lateral"), ("left", "medial")),
    )


def faces(path: Path, head: Head) -> RealErp:
    """Return the N170 after faces: the right fusiform gyrus and its neighbours."""
    evoked = mne.read_evokeds(path, condition="faces")
    eeg = _at_electrodes(evoked.data.T, evoked.ch_names, head)
    peak = _extreme(eeg, evoked.times, head, "P8", (0.13, 0.2), -1)
    n_baseline = int(np.searchsorted(evoked.times, 0.0))
    return RealErp(
        "faces",
        "faces, N170",
        "eeguana (MIT), one person",
        _erp(eeg[None], evoked, n_baseline, peak),
        float(evoked.times[0]),
        tuple(f"{name}-rh" for name in _OCCIPITO_TEMPORAL),
        (42.0, -52.0, -18.0),  # the fusiform face area
        (("right", "lateral"), ("right", "ventral")),
    )


def pictures(path: Path, head: Head) -> RealErp:
    """Return the N1 after pictures of objects: occipito-temporal, either side."""
    epochs = mne.read_epochs(path)
    trials = epochs.get_data(picks="eeg")
    names = mne.pick_info(epochs.info, mne.pick_types(epochs.info, eeg=True))["ch_names"]
    eeg = _at_electrodes(trials.swapaxes(1, 2), names, head)
    # There is no sample before the stimulus; nothing happens in the first 50 ms after it.
    n_baseline = int(np.searchsorted(epochs.times, 0.05))
    eeg -= eeg[:, :n_baseline].mean(axis=1, keepdims=True)
    peak = _extreme(eeg.mean(axis=0), epochs.times, head, "P8", (0.14, 0.22), -1)
    return RealErp(
        f"pictures {path.stem.removesuffix('-epo')}",
        "pictures, N1",
        "UCI EEG database (CC BY 4.0), one person, 30 trials",
        _erp(eeg, epochs, n_baseline, peak),
        float(epochs.times[0]),
        tuple(f"{name}-{side}" for name in _OCCIPITO_TEMPORAL for side in ("lh", "rh")),
        None,
        (("right", "lateral"), ("right", "ventral")),
    )


def targets(path: Path, head: Head) -> RealErp:
    """Return the P3 after rare targets: parietal, but the field does not agree on a place."""
    target, _, difference = mne.read_evokeds(path)
    eeg = _at_electrodes(difference.data.T, difference.ch_names, head)
    peak = _extreme(eeg, difference.times, head, "Pz", (0.25, 0.6), 1)
    n_baseline = int(np.searchsorted(difference.times, 0.0))
    return RealErp(
        f"P3 {path.stem.split('_')[0]}",
        "rare targets, P3 (targets − others)",
        f"ERP CORE (CC BY-SA 4.0), one person, {target.nave} targets",
        _erp(eeg[None], difference, n_baseline, peak),
        float(difference.times[0]),
        tuple(f"{name}-{side}" for name in _PARIETAL for side in ("lh", "rh")),
        None,
        (("left", "lateral"), ("left", "medial")),
    )


def _on_sphere(points: Float) -> Float:
    """Return directions from the centre of the best-fitting sphere."""
    centred = points - sphere_centre(np.asarray(points, np.float32))
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def _at_electrodes(samples: Float, labels: list[str], head: Head) -> Float:
    """Return samples at the model's electrodes, average-referenced, in volts.

    Missing electrodes are interpolated from all others, also those that the model has not.

    Parameters
    ----------
    samples : ndarray, shape (..., n_channels)
        In volts.
    labels : list of str, length n_channels
    head : Head

    Returns
    -------
    eeg : ndarray, shape (..., n_electrodes)
    """
    montage = match_montage(labels, ["volts"] * len(labels), head)
    return np.asarray(samples[..., montage.channels] @ input_matrices(head, montage)[0].T)


def _erp(trials: Float, recorded: Any, n_baseline: int, peak: int) -> Erp:
    sfreq_hz = float(recorded.info["sfreq"])
    return Erp(trials, sfreq_hz, n_baseline, peak, max(1, round(0.01 * sfreq_hz)))


def _extreme(
    eeg: Float, times: Float, head: Head, electrode: str, window_s: tuple[float, float], sign: int
) -> int:
    """Return the sample in a window where an electrode is most positive (1) or negative (−1)."""
    inside = np.flatnonzero((times >= window_s[0]) & (times <= window_s[1]))
    course = sign * eeg[inside, head.channels.index(electrode)]
    return int(inside[course.argmax()])


def image_real(
    erps: list[RealErp], methods: dict[str, Method], head: Head, is_template: bool
) -> list[dict[str, Any]]:
    """Image real ERPs by all methods and report where on the cortex each map has its maximum.

    Parameters
    ----------
    erps : list of RealErp
    methods : dict of callable
    head : Head
    is_template : bool
        Whether the head is fsaverage, whose coordinates are MNI coordinates.
    """
    rows = []
    # One thread: with more, the order of sums would depend on the number of cores.
    with threadpool_limits(1):
        maps = [{name: method(real.erp) for name, method in methods.items()} for real in erps]
    for real, map_of in zip(erps, maps, strict=True):
        eeg = real.erp.average[None, real.erp.peak].astype(np.float32)
        row: dict[str, Any] = {
            "name": real.name,
            "title": real.title,
            "source": real.source,
            "time_ms": real.peak_ms,
            "expected": {"regions": list(real.regions), "mni_mm": real.place_mni_mm},
            "methods": {},
        }
        for name, values in map_of.items():
            at = int(head.strongest(values))
            fit = scale_to_eeg(values[None].astype(np.float32), eeg, head.lead_field)[1][0]
            region = head.atlas_names[head.atlas[at]]
            entry: dict[str, Any] = {
                "region": region,
                "as_expected": region in real.regions,
                # The norm of free orientations has no sign, so nothing to be projected.
                "explained_variance": None if name == FREE_LCMV else float(fit),
            }
            if is_template:
                place_mm = mni_mm(head.dipoles_m[at])
                entry["mni_mm"] = [round(float(x)) for x in place_mm]
                if real.place_mni_mm is not None:
                    entry["distance_mm"] = float(np.linalg.norm(place_mm - real.place_mni_mm))
            row["methods"][name] = entry
        rows.append(row)
    return rows
