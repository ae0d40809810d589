"""Steps 2–5 composed: EEG samples in, dipole moments out. No LSL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convdip.bundle import DEFAULT_MODEL, Bundle, load_bundle
from convdip.errors import MontageError
from convdip.live.channels import Channels
from convdip.live.frame import Frame, StageTimes
from convdip.live.montage import Montage, match_montage
from convdip.live.network import Network, Precision
from convdip.live.runtime import Provider
from convdip.live.scale import scale_to_eeg
from convdip.live.topography import input_matrices
from convdip.live.tuning import open_network

Float = NDArray[np.float32]


class Imager:
    """Images EEG with one model.

    Each sample is imaged by itself: how a recording is cut into chunks changes nothing.

    Parameters
    ----------
    labels : sequence of str, length n_channels
        Channel labels; channels that are no electrodes are ignored. Electrodes of the model that
        are missing are interpolated from all that are there.
    unit : str or sequence of str
        Of all channels, or of each: ``microvolts``, ``millivolts`` or ``volts``; or what a step
        of 1 is, as ``0.0244uV``.
    channels : str, Path or sequence of str, optional
        What the channels are where the labels do not say it: the name of a cap (``biosemi64``), a
        file with a label a line, or the labels.
    invert : bool
        Reverse the polarity.
    montage : Montage, optional
        The electrodes, where they are matched already: then labels, unit, channels and polarity
        are those that it was matched with.
    model : str, Path or Bundle
        A bundle, its folder, or the name of a shipped one.
    network : Network, optional
        The bundle's network, where it is open already; without it, it is opened as ``provider``
        and ``precision`` say.
    provider : 'auto', 'cuda' or 'cpu'
    precision : 'auto', 'fp32' or 'int8'
    clock : callable
        What the stages are timed by, in seconds.

    Attributes
    ----------
    bundle : Bundle
    montage : Montage
    network : Network

    Raises
    ------
    BundleError
        If there is no such model, or it is damaged.
    MontageError
        If labels, units or channels do not give electrodes.
    ProviderError
        If the provider cannot be had.

    Examples
    --------
    >>> import numpy as np
    >>> from convdip import Imager, load_bundle
    >>> imager = Imager(load_bundle().head.channels, unit="microvolts", provider="cpu")
    >>> imager(np.zeros((10, 31))).moments_nam.shape
    (10, 5124)
    """

    def __init__(
        self,
        labels: Sequence[str],
        unit: str | Sequence[str] = "microvolts",
        *,
        channels: Channels | None = None,
        invert: bool = False,
        montage: Montage | None = None,
        model: str | Path | Bundle = DEFAULT_MODEL,
        network: Network | None = None,
        provider: Provider = "auto",
        precision: Precision = "auto",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.bundle = model if isinstance(model, Bundle) else load_bundle(model)
        head = self.bundle.head
        units = (unit,) * len(labels) if isinstance(unit, str) else unit
        self.montage = montage or match_montage(
            labels, units, head, channels=channels, inverted=invert
        )
        self.network = network or open_network(self.bundle, provider, precision)
        self._clock = clock
        self._lead_field = head.lead_field
        to_eeg, to_topography = input_matrices(head, self.montage)
        to_input = to_topography if self.network.takes == "topography" else to_eeg
        self._n_inputs = len(to_input)
        # One product prepares the network's input and the EEG that the scale is fitted to.
        prepare = np.vstack([to_input, to_eeg]).T
        self._n_channels = len(labels)
        used = self.montage.channels
        # A slice makes no copy, an index does.
        self._used = slice(None) if len(used) == self._n_channels else used
        self._prepare = (self.montage.volts[:, None] * prepare).astype(np.float32)

    def __call__(self, samples: ArrayLike, timestamps: NDArray[np.float64] | None = None) -> Frame:
        """Image samples, or a whole recording: 20 kB of moments a sample.

        More samples than one run of the network takes are imaged on all cores.

        Parameters
        ----------
        samples : array, shape (n_times, n_channels)
            In the unit that was said.
        timestamps : ndarray of float64, shape (n_times,), optional
            Passed on with the frame.

        Returns
        -------
        frame : Frame
            Of a recording that took several runs, only begin and end are timed.

        Raises
        ------
        MontageError
            If the samples have not the channels of the labels, or not one time stamp each.
        """
        samples = self._checked(samples)
        n, batch = len(samples), self.network.batch
        stamps = np.full(n, np.nan) if timestamps is None else timestamps
        if len(stamps) != n:
            raise MontageError(f"{n} samples have {len(stamps)} time stamps: expected one each")
        if n <= batch:
            return self._image(samples, stamps)

        began_s = self._clock()
        moments_nam = np.empty((n, self._lead_field.shape[1]), np.float32)
        fit = np.empty(n, np.float32)

        def image(first: int) -> None:
            rows = slice(first, first + batch)
            fit[rows] = self._image(samples[rows], stamps[rows], moments_nam[rows]).goodness_of_fit

        # Each core takes a batch of its own all the way, while it is in its cache. A CUDA graph
        # belongs to the thread that recorded it: there, one worker.
        with ThreadPoolExecutor(self.network.workers) as pool:
            list(pool.map(image, range(0, n, batch)))
        times = StageTimes(began_s, np.nan, np.nan, self._clock())
        return Frame(moments_nam, fit, stamps, times)

    def maps(self, samples: ArrayLike) -> Float:
        """Return source maps as the network gives them, without a scale.

        Parameters
        ----------
        samples : array, shape (n_times, n_channels)

        Returns
        -------
        maps : ndarray, shape (n_times, n_dipoles)
        """
        return self.network(self._prepared(self._checked(samples))[0])

    def _image(
        self, samples: Float, stamps: NDArray[np.float64], out: Float | None = None
    ) -> Frame:
        """Prepare, infer, scale."""
        began_s = self._clock()
        inputs, eeg = self._prepared(samples)
        prepared_s = self._clock()
        maps = self.network(inputs, out)
        inferred_s = self._clock()
        moments_nam, fit = scale_to_eeg(maps, eeg, self._lead_field)
        times = StageTimes(began_s, prepared_s, inferred_s, self._clock())
        return Frame(moments_nam, fit, stamps, times)

    def _prepared(self, samples: Float) -> tuple[Float, Float]:
        """Return the network's input and the average-referenced EEG, both in volts."""
        prepared = samples[:, self._used].astype(np.float32, copy=False) @ self._prepare
        return np.ascontiguousarray(prepared[:, : self._n_inputs]), prepared[:, self._n_inputs :]

    def _checked(self, samples: ArrayLike) -> Float:
        array = np.asarray(samples)
        if array.ndim != 2 or array.shape[1] != self._n_channels:
            raise MontageError(
                f"samples have the shape {array.shape}: expected (n_times, n_channels), here "
                f"(n_times, {self._n_channels})"
            )
        return array
