"""Movement and the mu and beta rhythms of the two hand areas, which fade on the moving side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from convdip.head import Head
from convdip.mni import mni_mm
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from convdip_training.evaluation.known_methods import Imaging
from convdip_training.evaluation.known_recordings import KnownRecording
from convdip_training.evaluation.statistics import bootstrap_intervals, separation

Float = NDArray[np.float64]
Bools = NDArray[np.bool_]

BAND_HZ = (8.0, 30.0)
ELECTRODES = ("C3", "C4")
REGIONS = ("precentral", "postcentral")
# The hand knob, left and right.
KNOBS_MNI_MM = ((-38.0, -22.0, 56.0), (38.0, -22.0, 56.0))
RADIUS_MM = 20.0
BEFORE_S = (-2.0, 0.0)
AFTER_S = (0.5, 4.0)
# EEGMMIDB's annotations of the cue.
FIRST, SECOND = "T1", "T2"


def hand_areas(head: Head) -> tuple[Bools, Bools]:
    """Return which dipoles belong to the left and to the right hand area.

    Parameters
    ----------
    head : Head
        Of fsaverage, whose coordinates can be converted to MNI.

    Returns
    -------
    areas : tuple of ndarray, shape (n_dipoles,)
        Dipoles before and behind the central sulcus, within 20 mm of the hand knob.
    """
    places_mm = np.array([mni_mm(place) for place in head.dipoles_m])
    left, right = (
        np.isin(head.atlas_names, [f"{region}-{side}" for region in REGIONS])[head.atlas]
        & (np.linalg.norm(places_mm - knob, axis=1) <= RADIUS_MM)
        for side, knob in zip(("lh", "rh"), KNOBS_MNI_MM, strict=True)
    )
    return left, right


@dataclass(frozen=True)
class Trials:
    """Recordings of one task, cut around the cues.

    Attributes
    ----------
    before, after : ndarray, shape (n_trials, n_times, n_electrodes)
        The 2 s before the cue, and 0.5–4 s after it.
    is_first : ndarray of bool, shape (n_trials,)
        Whether the cue was ``T1``.
    """

    before: Float
    after: Float
    is_first: Bools

    @property
    def eeg(self) -> Float:
        """All samples one after another, shape (n_times, n_electrodes)."""
        return np.concatenate([*self.before, *self.after])


def trials_of(recordings: list[KnownRecording]) -> Trials:
    """Cut recordings around their cues; trials that a recording cuts off are left out."""
    before, after, is_first = [], [], []
    for one in recordings:
        for kind in (FIRST, SECOND):
            for cue in one.cues.get(kind, ()):
                (start, cue_too), (late, end) = (
                    [cue + round(time_s * one.sfreq_hz) for time_s in window_s]
                    for window_s in (BEFORE_S, AFTER_S)
                )
                if start >= 0 and end <= len(one.eeg):
                    before.append(one.eeg[start:cue_too])
                    after.append(one.eeg[late:end])
                    is_first.append(kind == FIRST)
    return Trials(np.array(before), np.array(after), np.array(is_first, bool))


def log_power(imaging: Imaging, eeg: Float, areas: tuple[Bools, Bools]) -> Float:
    """Return the log of two areas' power in each trial.

    Parameters
    ----------
    imaging : callable
    eeg : ndarray, shape (n_trials, n_times, n_electrodes)
    areas : tuple of ndarray of bool, left and right

    Returns
    -------
    power : ndarray, shape (n_trials, 2)
        Power is the mean square over an area's dipoles and the samples.
    """

    def of_trial(trial: Float) -> list[float]:
        maps = imaging(trial)
        return [np.square(maps[:, area], dtype=float).mean() for area in areas]

    return np.log([of_trial(trial) for trial in eeg])


def judge(
    features: Float, is_first: Bools, index: Float, rng: np.random.Generator
) -> dict[str, Any]:
    """Tell two kinds of trials apart, by one index and by a classifier.

    Parameters
    ----------
    features : ndarray, shape (n_trials, 2)
        What a linear discriminant analysis is trained on, leaving out each trial in turn.
    is_first : ndarray of bool, shape (n_trials,)
    index : ndarray, shape (n_trials,)
        Expected to be larger where ``is_first``; nothing is trained for it.
    rng : Generator
    """
    auc, auc_ci = separation(index[is_first], index[~is_first], rng)
    guessed = cross_val_predict(LinearDiscriminantAnalysis(), features, is_first, cv=LeaveOneOut())
    right = (guessed == is_first).astype(float)
    accuracy_ci = bootstrap_intervals(right, rng)[0]
    return {
        "auc": auc,
        "auc_ci": auc_ci,
        "accuracy": right.mean(),
        "accuracy_ci": list(accuracy_ci),
    }


def lateralisation(features: Float) -> Float:
    """Return log(left / right): large where the left fist moves.

    A fist takes power from the hand area of the other side, here the right one.
    """
    return np.asarray(features[:, 0] - features[:, 1])


def hands_over_feet(features: Float) -> Float:
    """Return how little power both hand areas have, on average: large where the fists move."""
    return np.asarray(-features.mean(axis=1))


def electrode_imaging(eeg: Float) -> Float:
    """Return the EEG itself, whose «dipoles» are the electrodes."""
    return eeg


def electrode_areas(head: Head) -> tuple[Bools, Bools]:
    """Return C3 and C4 as areas of `electrode_imaging`."""
    left, right = (np.array(head.channels) == name for name in ELECTRODES)
    return left, right
