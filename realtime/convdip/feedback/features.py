"""How active regions are: one number for each sample, over a window that looks back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from convdip.errors import ConfigError
from convdip.feedback.regions import atlas_regions, find_regions
from convdip.frame import Artefact, Frame, Invalid
from convdip.head import Head

Float = NDArray[np.float64]
Measure = Literal["power", "amplitude", "moment"]

WINDOW_S, LONGEST_S = 0.25, 60.0
UNITS = {"power": "nAm²", "amplitude": "nAm", "moment": "nAm"}


class Suspended(StrEnum):
    """Why there is no value; the numbers of the published code are their order."""

    NOT = "valid"
    FILLING = "the window is not full yet"
    INVALID = "the EEG cannot be imaged"
    ARTEFACT = "eyes or muscle"
    SILENCE = "no EEG comes"
    REST = "the baseline is not complete"
    NOTHING = "the region holds no source"

    @property
    def code(self) -> int:
        """The number that is published."""
        return list(Suspended).index(self)


@dataclass(frozen=True)
class Feature:
    """What is measured.

    Attributes
    ----------
    name : str
    regions : tuple of str
        As `find_regions` takes them; several are taken as one.
    measure : 'power', 'amplitude' or 'moment'
        Mean square of the moments of the regions' dipoles over the window, its root, or their mean
        with its sign: where the cortex faces both ways, along the direction that most of it faces.
    window_s : float
    """

    name: str
    regions: tuple[str, ...]
    measure: Measure = "power"
    window_s: float = WINDOW_S


class Values(NamedTuple):
    """Features of the samples of a frame.

    Attributes
    ----------
    values : ndarray, shape (n_times, n_features)
        NaN where suspended.
    suspended : Suspended
        Why the last is NaN, if it is.
    """

    values: Float
    suspended: Suspended


class Features:
    """Measures features of frames that follow one another.

    A window holds samples that were imaged without a break: after a gap, an artefact or anything
    that could not be imaged it fills anew, and until then there is no value.

    Parameters
    ----------
    head : Head
        Of the model.
    features : sequence of Feature
    sfreq_hz : float

    Attributes
    ----------
    features : tuple of Feature
    units : tuple of str

    Raises
    ------
    ConfigError
        If a region is unknown, or a window too short or too long.

    Examples
    --------
    ::

        alpha = Feature("alpha", ("cuneus", "pericalcarine", "lateraloccipital"), window_s=1)
        features = Features(imager.bundle.head, [alpha], sfreq_hz)
        for frame in frames:
            print(features(frame).values[-1])
    """

    def __init__(self, head: Head, features: Sequence[Feature], sfreq_hz: float) -> None:
        if not features:
            raise ConfigError("no features: expected one or more")
        self.features = tuple(features)
        self.units = tuple(UNITS[feature.measure] for feature in self.features)
        measures = np.array([feature.measure for feature in self.features])
        self._is_square, self._is_root = measures != "moment", measures == "amplitude"
        self._lengths = np.array([_n_samples(feature, sfreq_hz) for feature in self.features])
        self._squares, self._sums = (
            _weights(head, self.features, signed=signed) for signed in (False, True)
        )
        self._recent = np.zeros((int(self._lengths.max()) - 1, len(self.features)))
        self._n_good = 0

    def restart(self) -> None:
        """Fill the windows anew."""
        self._n_good = 0

    def __call__(self, frame: Frame) -> Values:
        """Return the features of a frame's samples."""
        flags, n = frame.flags, len(frame.timestamps)
        if flags.n_missing or flags.is_resumed:
            self.restart()
        why = Suspended.NOT
        if flags.invalid is not Invalid.NOT:
            why = Suspended.INVALID
        elif flags.artefact is not Artefact.NONE:
            why = Suspended.ARTEFACT
        if why is not Suspended.NOT:
            self.restart()
            return Values(np.full((n, len(self.features)), np.nan), why)
        rows = np.concatenate([self._recent, self._instant(frame.moments_nam)])
        sums = np.cumsum(np.concatenate([np.zeros_like(rows[:1]), rows]), axis=0)
        ends = len(self._recent) + 1 + np.arange(n)[:, None]
        columns = np.arange(len(self.features))
        values = (sums[ends, columns] - sums[ends - self._lengths, columns]) / self._lengths
        values[:, self._is_square] = values[:, self._is_square].clip(min=0)
        values[:, self._is_root] = np.sqrt(values[:, self._is_root])
        n_good = self._n_good + 1 + np.arange(n)[:, None]
        self._recent, self._n_good = rows[n:], self._n_good + n
        values[n_good < self._lengths] = np.nan
        values[values == 0] = np.nan
        if (self._n_good < self._lengths).any():
            why = Suspended.FILLING
        elif np.isnan(values[-1]).any():
            why = Suspended.NOTHING
        return Values(values, why)

    def _instant(self, moments_nam: NDArray[np.float32]) -> Float:
        """Return what is averaged over the windows, shape (n_times, n_features)."""
        instant = np.empty((len(moments_nam), len(self.features)))
        across = moments_nam.T.astype(float)
        if self._is_square.any():
            instant[:, self._is_square] = (self._squares @ np.square(across)).T
        if not self._is_square.all():
            instant[:, ~self._is_square] = (self._sums @ across).T
        return instant


def _weights(head: Head, features: Sequence[Feature], *, signed: bool) -> sparse.csr_array:
    """Return the matrix from dipoles to those features that keep signs, or to those that do not.

    Of few dipoles a mean square strays further: a region smaller than the usual one is taken to
    have as many, the lacking ones silent, so that the strongest is none that is only small.
    """
    usual = float(np.median([region.dipoles.size for region in atlas_regions(head)]))
    rows, columns, values = list[Float](), list[Float](), list[Float]()
    chosen = [feature for feature in features if (feature.measure == "moment") == signed]
    for row, feature in enumerate(chosen):
        regions = find_regions(head, feature.regions)
        dipoles = np.unique(np.concatenate([region.dipoles for region in regions]))
        rows.append(np.full(dipoles.size, row))
        columns.append(dipoles)
        if signed:
            values.append(_facing(head.normals[dipoles].astype(float)) / dipoles.size)
        else:
            values.append(np.full(dipoles.size, 1 / max(dipoles.size, usual)))
    if not chosen:
        return sparse.csr_array((0, head.n_dipoles))
    at = np.concatenate(rows), np.concatenate(columns)
    return sparse.csr_array((np.concatenate(values), at), shape=(len(chosen), head.n_dipoles))


def _facing(normals: Float) -> Float:
    """Return 1 for dipoles that face the way most of them do, −1 for the others."""
    _, _, directions = np.linalg.svd(normals, full_matrices=False)
    facing = normals @ directions[0]
    return np.where(facing * facing.sum() < 0, -1.0, 1.0)


def _n_samples(feature: Feature, sfreq_hz: float) -> int:
    """Return the length of a feature's window."""
    if not 0 < feature.window_s <= LONGEST_S:
        raise ConfigError(
            f"the window of {feature.name} is {feature.window_s:g} s: expected more than 0, and "
            f"{LONGEST_S:g} s at most"
        )
    if not feature.regions:
        raise ConfigError(f"the feature {feature.name} has no region: expected one or more")
    return max(1, round(feature.window_s * sfreq_hz))
