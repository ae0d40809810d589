"""The model and its rivals on ongoing EEG: a filtered recording in, moments of any window out.

All get the same filtered EEG. eLORETA, sLORETA and LCMV are MNE's, one matrix a recording: noise
covariance of the stretch without sources, for LCMV also the data covariance of the stretch with
them. γ-MAP is MNE's too, solved anew for each window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from convdip.bundle import Bundle
from convdip.feedback.rest import SHORTEST_S
from convdip.live.baseline import Baseline
from convdip.live.gains import N_DIRECTIONS
from convdip.live.operator import AnyCap
from convdip.live.window import look
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp, covariance
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.as_live import imager_of
from convdip_training.evaluation.methods import RANDOM_MAP, ZERO_MAP, method_names
from convdip_training.evaluation.ongoing import Ongoing, band_pass

Float = NDArray[np.float64]
Moments = NDArray[np.floating]
# Of the samples in a window, numbered from the first with sources: shape (n_times, n_dipoles).
Estimate = Callable[[slice], Moments]

# The filter starts at rest; after this it is as if it had always run.
SETTLING_S = 1.0
# With the 0.05 of the other sets the beamformer takes a patch, whose EEG is no single dipole's, for
# interference and cancels it: AUC 0.51 over 4 s, localisation error 40 mm. Chosen among 0.05, 0.5,
# 1, 2, 5, 10 and 30, on 24 recordings of another seed than the published evaluation's.
LCMV_REGULARISATION = 10.0
IN_WINDOWS = ", windows"
RIVALS = ("eLORETA", "sLORETA", "LCMV", "γ-MAP")


@dataclass(frozen=True)
class Filtered(Erp):
    """A recording as it is imaged: one trial, whose baseline is the stretch without sources."""

    @property
    def data_covariance(self) -> Float:
        """Empirical covariance of the stretch with sources, in V²."""
        return covariance(self.active[None])

    @property
    def active(self) -> Float:
        """The stretch with sources, shape (n_times, n_electrodes), in volts."""
        return np.asarray(self.trials[0, self.n_baseline :])

    def rest_covariance(self, model: Float) -> Float:
        """Return what the live service takes for noise after the stretch without sources.

        Parameters
        ----------
        model : ndarray, shape (n_electrodes, n_electrodes)
            What the model's head takes for noise.
        """
        rest = self.trials[0, : self.n_baseline]
        baseline = Baseline(rest.shape[1], self.sfreq_hz, SHORTEST_S)
        baseline.add(rest, np.ones(rest.shape[1], bool))
        return baseline.covariance(model)


def filtered(ongoing: Ongoing) -> Filtered:
    """Filter a recording to the band of its rhythm; the filter's settling is left out."""
    eeg = band_pass(ongoing.eeg, ongoing.rhythm.band_hz, ongoing.sfreq_hz)
    settling = round(SETTLING_S * ongoing.sfreq_hz)
    n_baseline = ongoing.n_quiet - settling
    return Filtered(eeg[None, settling:], ongoing.sfreq_hz, n_baseline, n_baseline, 0)


def own_names(bundle: Bundle) -> list[str]:
    """Return the model's name; of a model for any cap, which looks at windows too, two."""
    name = method_names(bundle, quick=True)[0]
    return [name, f"{name}{IN_WINDOWS}"] if bundle.takes_any_cap else [name]


def ongoing_names(bundle: Bundle) -> list[str]:
    """Return the names of all methods: the model first, the two uninformed maps last."""
    return [*own_names(bundle), *RIVALS, RANDOM_MAP, ZERO_MAP]


class OngoingMethods:
    """The model, its rivals and the two uninformed maps.

    Parameters
    ----------
    bundle : Bundle
        All methods have its head.
    """

    def __init__(self, bundle: Bundle) -> None:
        head = bundle.head
        self._n_dipoles = head.n_dipoles
        self._imager = imager_of(bundle)
        self._linear: dict[str, MinimumNorm | Lcmv] = {
            "eLORETA": MinimumNorm(head, "eLORETA"),
            "sLORETA": MinimumNorm(head, "sLORETA"),
            "LCMV": Lcmv(head, regularisation=LCMV_REGULARISATION),
        }
        self._gamma_map = GammaMap(head)

    def estimate(self, name: str, recording: Filtered, rng: np.random.Generator) -> Estimate:
        """Prepare a method for a recording.

        Parameters
        ----------
        name : str
            One of `ongoing_names`.
        recording : Filtered
        rng : Generator
            Of the random map: Gaussian numbers for each dipole and sample.

        Returns
        -------
        estimate : callable
            Gives the moments in a window, in the method's own unit; the model's are those of
            `convdip.Imager`, the map at each sample scaled to fit its EEG.
        """
        eeg = recording.active
        if name == "γ-MAP":
            return lambda window: _image(
                eeg[window], self._gamma_map.kernel(recording, eeg[window])
            )
        if name.endswith(IN_WINDOWS):
            return self._in_windows(recording)
        shape = len(eeg), self._n_dipoles
        if name == RANDOM_MAP:
            moments: Moments = rng.standard_normal(shape, np.float32)
        elif name == ZERO_MAP:
            moments = np.zeros(shape, np.float32)
        elif name in self._linear:
            moments = _image(eeg, self._linear[name].kernel(recording))
        else:
            moments = self._imager(eeg).moments_nam
        return lambda window: moments[window]

    def _in_windows(self, recording: Filtered) -> Estimate:
        """Look at each window as a whole, in the noise of the stretch without sources."""
        montage, network = self._imager.montage, self._imager.network
        assert network.cortex is not None
        noise = recording.rest_covariance(AnyCap(network.cortex, montage).noise)
        operator = AnyCap(network.cortex, montage, noise)()
        whitener = operator.matrix[:, :N_DIRECTIONS]

        def estimate(window: slice) -> Moments:
            eeg = recording.active[window].astype(np.float32)
            kernel, _, _ = look(eeg, operator, network)
            return np.asarray(eeg @ whitener @ kernel.T)

        return estimate


def _image(eeg: Float, kernel: Float) -> NDArray[np.float32]:
    """Apply a kernel, shape (n_dipoles, n_electrodes), to samples in rows."""
    return np.asarray(eeg.astype(np.float32) @ kernel.T.astype(np.float32))
