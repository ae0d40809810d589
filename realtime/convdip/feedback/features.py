"""How active regions are: one number for each sample, over a window that looks back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.feedback.covariances import Covariances
from convdip.feedback.regions import find_regions, over_parts, power_weights
from convdip.frame import Artefact, Frame, Invalid
from convdip.head import Head

if TYPE_CHECKING:
    from scipy import sparse

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
    REST = "there is no baseline yet"
    NOTHING = "the region holds no source"
    LATE = "samples are imaged too late"
    BLOCK = "this block has none"

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
    band_hz : (float, float) or None
        Edges of the band that it is measured in; None: what the frames' own moments hold.
    """

    name: str
    regions: tuple[str, ...]
    measure: Measure = "power"
    window_s: float = WINDOW_S
    band_hz: tuple[float, float] | None = None


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
    bands : sequence of (float, float)
        Those of the frames, in their order: what `Imager` was given.

    Attributes
    ----------
    features : tuple of Feature
    units : tuple of str

    Raises
    ------
    ConfigError
        If a region or a band is unknown, or a window too short or too long.

    Examples
    --------
    ::

        alpha = Feature("alpha", ("cuneus", "pericalcarine", "lateraloccipital"), window_s=1)
        features = Features(imager.bundle.head, [alpha], sfreq_hz)
        for frame in frames:
            print(features(frame).values[-1])
    """

    def __init__(
        self,
        head: Head,
        features: Sequence[Feature],
        sfreq_hz: float,
        bands: Sequence[tuple[float, float]] = (),
    ) -> None:
        if not features:
            raise ConfigError("no features: expected one or more")
        self.features = tuple(features)
        self.units = tuple(UNITS[feature.measure] for feature in self.features)
        measures = np.array([feature.measure for feature in self.features])
        self._is_square, self._is_root = measures != "moment", measures == "amplitude"
        self._lengths = np.array([n_samples(feature, sfreq_hz) for feature in self.features])
        # By band: which features, and the weights of those that are squares and those that are not;
        # and of the further bands, their windows, where those are imaged.
        self._parts, self._windows = [], list[tuple[int, NDArray[np.intp], Covariances]]()
        for number, band in enumerate([None, *bands]):
            own = np.array([feature.band_hz == band for feature in self.features])
            for signed in (False, True):
                chosen = np.flatnonzero(own & (self._is_square != signed))
                if chosen.size:
                    weights = _weights(head, [self.features[i] for i in chosen], signed=signed)
                    self._parts.append((number, signed, chosen, weights))
                    if number:
                        windows = Covariances(weights, self._lengths[chosen], signed=signed)
                        self._windows.append((number, chosen, windows))
        lost = {f.band_hz for f in self.features} - {None, *bands}
        if lost:
            raise ConfigError(f"features are in the bands {lost}: frames have only {list(bands)}")
        # What the windows hold, the longest one wholly, and its sums.
        self._held = np.zeros((int(self._lengths.max()), len(self.features)))
        self._sums = np.zeros(len(self.features))
        self._columns = np.arange(len(self.features))
        self.restart()

    def restart(self) -> None:
        """Fill the windows anew."""
        self._held[:], self._sums[:], self._next, self._n_good = 0.0, 0.0, 0, 0
        for *_, windows in self._windows:
            windows.restart()

    def __call__(self, frame: Frame) -> Values:
        """Return the features of a frame's samples."""
        flags, n = frame.flags, len(frame.timestamps)
        if flags.n_missing or flags.is_resumed:
            self.restart()
        why = Suspended.NOT
        if flags.invalid is not Invalid.NOT or not np.isfinite(frame.moments_nam).all():
            why = Suspended.INVALID
        elif flags.artefact is not Artefact.NONE:
            why = Suspended.ARTEFACT
        if why is not Suspended.NOT:
            self.restart()
            return Values(np.full((n, len(self.features)), np.nan), why)
        self._n_good += n
        instant = self._instant(frame)
        means = np.array([self._step(row) for row in instant]).reshape(instant.shape)
        if frame.windows:
            for number, chosen, windows in self._windows:
                means[:, chosen] = windows(frame.windows[number - 1])
        values = np.where(self._is_square, means.clip(min=0), means)
        values = np.where(self._is_root, np.sqrt(values.clip(min=0)), values)
        n_good = self._n_good - n + 1 + np.arange(n)[:, None]
        values[n_good < self._lengths] = np.nan
        values[values == 0] = np.nan
        if (self._n_good < self._lengths).any() or np.isnan(means[-1]).any():
            why = Suspended.FILLING
        elif np.isnan(values[-1]).any():
            why = Suspended.NOTHING
        return Values(values, why)

    def _step(self, row: Float) -> Float:
        """Take a sample into the windows, and return their means."""
        n_held = len(self._held)
        self._sums += row - self._held[(self._next - self._lengths) % n_held, self._columns]
        self._held[self._next] = row
        self._next = (self._next + 1) % n_held
        if self._next == 0:  # rounding errors must not add up over hours
            for i, length in enumerate(self._lengths):
                self._sums[i] = self._held[n_held - length :, i].sum()
        return np.asarray(self._sums / self._lengths)

    def _instant(self, frame: Frame) -> Float:
        """Return what is averaged over the windows, shape (n_times, n_features).

        Of bands whose windows are imaged, nothing.
        """
        instant = np.zeros((len(frame.timestamps), len(self.features)))
        moments = (frame.moments_nam, *frame.bands)
        for number, signed, chosen, weights in self._parts:
            if number and frame.windows:
                continue
            across = moments[number].T.astype(float)
            instant[:, chosen] = (weights @ (across if signed else np.square(across))).T
        return instant


def _weights(head: Head, features: Sequence[Feature], *, signed: bool) -> sparse.csr_array:
    """Return the matrix from dipoles to features, shape (n_features, n_dipoles).

    Those that keep signs are means of moments, the others of squared ones.
    """
    parts = []
    for feature in features:
        regions = find_regions(head, feature.regions)
        parts.append(np.unique(np.concatenate([region.dipoles for region in regions])))
    if not signed:
        return power_weights(head, parts)
    facing = [_facing(head.normals[part].astype(float)) / part.size for part in parts]
    return over_parts(head, parts, facing)


def _facing(normals: Float) -> Float:
    """Return 1 for dipoles that face the way most of them do, −1 for the others."""
    _, _, directions = np.linalg.svd(normals, full_matrices=False)
    facing = normals @ directions[0]
    return np.where(facing * facing.sum() < 0, -1.0, 1.0)


def n_samples(feature: Feature, sfreq_hz: float) -> int:
    """Return the length of a feature's window.

    Raises
    ------
    ConfigError
        If it is too short or too long, or the feature of nothing.
    """
    if not 0 < feature.window_s <= LONGEST_S:
        raise ConfigError(
            f"the window of {feature.name} is {feature.window_s:g} s: expected more than 0, and "
            f"{LONGEST_S:g} s at most"
        )
    if not feature.regions:
        raise ConfigError(f"the feature {feature.name} has no region: expected one or more")
    return max(1, round(feature.window_s * sfreq_hz))
