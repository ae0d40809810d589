"""Steps 3–8 composed: EEG samples in, dipole moments out. No LSL."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from convdip.bundle import DEFAULT_MODEL, Bundle, load_bundle
from convdip.errors import ConfigError, MontageError
from convdip.frame import Artefact, Flags, Frame, Invalid, StageTimes, joined
from convdip.live.band_windows import BandWindows
from convdip.live.channels import Channels
from convdip.live.conditioning import Filters
from convdip.live.confidence import Confidence, peaks_of, terms_of
from convdip.live.montage import Montage, match_montage
from convdip.live.network import Network, Precision
from convdip.live.operator import Operator, operators
from convdip.live.preparation import Preparation, Stretch
from convdip.live.products import product
from convdip.live.renewal import Renewal
from convdip.live.rhythms import SECONDS, Band, Rhythm, Squares
from convdip.live.runtime import Provider
from convdip.live.scale import scale_to_eeg
from convdip.live.tuning import open_network
from convdip.live.window import Window

Float = NDArray[np.float32]

USUAL = Filters()
# Clean simulated EEG has 7 nAm, drift and eyes in raw EEG 150, a rail 150,000.
LIMIT_NAM = 2000.0


class Imager:
    """Images EEG with one model.

    Each sample is imaged by itself. With ``sfreq_hz`` samples are a signal: filtered before they
    are imaged, and electrodes that fail are left out, from call to call, as in the service. In
    either case, how a recording is cut into chunks changes nothing.

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
    sfreq_hz : float, optional
        Sampling rate of the signal.
    filters : Filters
        Of a signal: by default the service's, a high-pass, and a notch where mains is found.
    bad : collection of str
        Electrodes of a signal to be left out from the start.
    keep : bool
        Leave no others out.
    window_s : float, optional
        Of a signal, with a model for any cap: keep a window of that length, whose power is at hand
        at any time.
    baseline_s : float, optional
        Of a signal, with a model for any cap: take the noise from so much of the EEG, without
        artefacts, from its beginning.
    renew_s : float, optional
        With a baseline: let the noise follow the EEG with this time constant from then on.
    bands : sequence of (float, float)
        Of a signal: edges in Hz of further bands that each sample is imaged in.
    look_s : float, optional
        Of a signal, with a model for any cap: in place of samples in those bands, image windows of
        this length. `Features` takes them.
    rhythms : sequence of (float, float)
        Of a signal: edges in Hz of bands whose power over the last second can be asked for.
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
    preparation : Preparation or None
        Filters, electrodes and whether they can bear an image; None without ``sfreq_hz``.
    window : Window or None
        The last moments; None without ``window_s``.
    rhythms : tuple of Rhythm
    n_baselines : int
        How often the noise was taken from the EEG.

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
        sfreq_hz: float | None = None,
        filters: Filters = USUAL,
        bad: Collection[str] = (),
        keep: bool = False,
        window_s: float | None = None,
        baseline_s: float | None = None,
        renew_s: float | None = None,
        bands: Sequence[tuple[float, float]] = (),
        look_s: float | None = None,
        rhythms: Sequence[Band] = (),
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
        self._confidence = Confidence.of_card(self.bundle.card)
        self._clock = clock
        bad = (bad,) if isinstance(bad, str) else bad
        self._n_dipoles = head.n_dipoles
        of_cap = operators(head, self.montage, self.network.takes, self.network.cortex)
        self._n_inputs = self.network.n_inputs
        self._n_channels = len(labels)
        self.preparation, self.window, self._renewal, self.n_baselines = None, None, None, 0
        self._looks: BandWindows | None = None
        self.rhythms: tuple[Rhythm, ...] = ()
        of_signal = filters != USUAL or bad or keep or bands or rhythms
        lengths_s = (window_s, look_s, baseline_s)
        if sfreq_hz is None and (of_signal or lengths_s != (None,) * 3):
            raise ConfigError(
                "`filters`, `bad`, `keep`, `bands`, `rhythms`, `window_s`, `look_s` and "
                "`baseline_s` are for a signal: expected its `sfreq_hz` beside them"
            )
        if renew_s is not None and baseline_s is None:
            raise ConfigError("`renew` without `baseline`: expected how long a baseline takes")
        if sfreq_hz is not None:
            _check_named(bad, self.montage)
            self.preparation = Preparation(
                head,
                self.montage,
                sfreq_hz,
                filters,
                bad=bad,
                keep=keep,
                operators=of_cap,
                bands=bands,
            )
            n_electrodes = len(self.montage.names)
            if window_s is not None:
                self.window = Window(self.network, n_electrodes, sfreq_hz, window_s)
            if look_s is not None and bands:
                n_bands = len(bands)
                self._looks = BandWindows(self.network, n_electrodes, sfreq_hz, look_s, n_bands)
            self.rhythms = tuple(self._rhythm(band, sfreq_hz, filters) for band in rhythms)
            self._n_restarts = self.preparation.n_restarts
            if baseline_s is not None:
                self._renewal = Renewal(of_cap, sfreq_hz, baseline_s, renew_s)
            return
        used = self.montage.channels
        # A slice makes no copy, an index does.
        self._used = slice(None) if len(used) == self._n_channels else used
        operator = of_cap()
        volts = self.montage.volts[:, None]
        self._operator = replace(operator, matrix=(volts * operator.matrix).astype(np.float32))

    def __call__(self, samples: ArrayLike, timestamps: NDArray[np.float64] | None = None) -> Frame:
        """Image samples, or a whole recording: 20 kB of moments a sample.

        Of a signal, samples that cannot be imaged are NaN, and the frame's flags say why. More
        samples than one run of the network takes are imaged on all cores.

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
        n = len(samples)
        stamps = np.full(n, np.nan) if timestamps is None else timestamps
        if len(stamps) != n:
            raise MontageError(f"{n} samples have {len(stamps)} time stamps: expected one each")
        began_s = self._clock()
        if self.preparation is None:
            eeg = samples[:, self._used].astype(np.float32, copy=False)
            return self._image_all(eeg, self._operator, stamps, began_s)
        frames, first = [], 0
        for stretch in self.preparation(samples):
            rows = slice(first, first + len(stretch.eeg))
            first = rows.stop
            self._look_back(stretch)
            if self._renewal is not None:
                self._gather(stretch)
            if stretch.invalid is Invalid.NOT:
                frames.append(self._in_all_bands(stretch, stamps[rows], began_s))
            else:
                frames.append(self._nothing(stretch, stamps[rows], began_s))
            began_s = self._clock()
        return frames[0] if len(frames) == 1 else joined(frames, self._n_dipoles)

    @property
    def noise(self) -> str:
        """Where the covariance of the noise comes from: ``model`` or ``baseline``."""
        return "baseline" if self.n_baselines else "model"

    def _rhythm(self, band_hz: Band, sfreq_hz: float, filters: Filters) -> Rhythm:
        names = self.montage.names
        looks: Squares | Window
        if self.network.cortex is None:
            looks = Squares(self._moments, self._n_dipoles, sfreq_hz, band_hz[1], SECONDS)
        else:
            looks = Window(self.network, len(names), sfreq_hz, SECONDS)
        return Rhythm(band_hz, names, sfreq_hz, looks, is_filtered=filters.band_hz == band_hz)

    def _moments(self, eeg: Float, operator: Operator) -> Float:
        """Return moments of samples of electrodes, NaN where no brain has such."""
        stamps = np.full(len(eeg), np.nan)
        return self._plausible(self._image_all(eeg, operator, stamps, np.nan)).moments_nam

    def _look_back(self, stretch: Stretch) -> None:
        """Add a stretch to what looks back, or begin all anew where there is nothing to image."""
        assert self.preparation is not None
        if self.preparation.n_restarts != self._n_restarts or stretch.invalid is not Invalid.NOT:
            self._n_restarts = self.preparation.n_restarts
            for part in (self.window, self._looks, *self.rhythms):
                if part is not None:
                    part.restart()
        if stretch.invalid is Invalid.NOT:
            for past in (self.window, *self.rhythms):
                if past is not None:
                    past.add(stretch.eeg, stretch.operator)

    def _gather(self, stretch: Stretch) -> None:
        """Add a stretch to the baseline, and take the new operators once they are made."""
        assert self._renewal is not None
        assert self.preparation is not None
        is_clean = self.preparation.artefact is Artefact.NONE
        if stretch.invalid is Invalid.NOT and is_clean:
            self._renewal.add(stretch.eeg, self.preparation.electrodes.good)
        operators = self._renewal.made()
        if operators is not None:
            self.preparation.use(operators)
            self.n_baselines += 1
            if self._renewal.is_finished:
                self._renewal = None

    def _in_all_bands(self, stretch: Stretch, stamps: NDArray[np.float64], began_s: float) -> Frame:
        """Image samples in all bands at once: one run of the network is quicker than several."""
        if self._looks is not None:
            frame = self._image_all(stretch.eeg, stretch.operator, stamps, began_s)
            return replace(self._plausible(frame), windows=self._looks(stretch))
        if not stretch.bands:
            return self._plausible(self._image_all(stretch.eeg, stretch.operator, stamps, began_s))
        eeg = np.concatenate([stretch.eeg, *stretch.bands])
        all_stamps = np.tile(stamps, 1 + len(stretch.bands))
        frame = self._plausible(self._image_all(eeg, stretch.operator, all_stamps, began_s))
        own, *bands = np.split(frame.moments_nam, 1 + len(stretch.bands))
        n = len(stamps)
        return replace(
            frame,
            moments_nam=own,
            goodness_of_fit=frame.goodness_of_fit[:n],
            confidence=frame.confidence[:n],
            timestamps=stamps,
            bands=tuple(bands),
        )

    def _plausible(self, frame: Frame) -> Frame:
        """Take back rows with moments that no brain has: a unit or an electrode is wrong."""
        moments_nam = frame.moments_nam
        if moments_nam.min(initial=0) > -LIMIT_NAM and moments_nam.max(initial=0) < LIMIT_NAM:
            return frame
        peaks_nam = np.abs(moments_nam).max(axis=1)
        is_none = np.isnan(peaks_nam)  # where an electrode that is kept gives no number
        rows = is_none | (peaks_nam >= LIMIT_NAM)
        for values in (moments_nam, frame.goodness_of_fit, frame.confidence):
            values[rows] = np.nan
        why = Invalid.NUMBER if is_none.any() else Invalid.MOMENT
        return replace(frame, flags=replace(frame.flags, invalid=why))

    def _nothing(self, stretch: Stretch, stamps: NDArray[np.float64], began_s: float) -> Frame:
        """Return a frame without estimates."""
        n = len(stamps)
        moments_nam = np.full((n, self._n_dipoles), np.nan, np.float32)
        times = StageTimes(began_s, *(self._clock(),) * 3)
        fit, confidence = np.full((2, n), np.nan, np.float32)
        frame = Frame(moments_nam, fit, confidence, stamps, times, Flags(invalid=stretch.invalid))
        if self._looks is not None:
            return replace(frame, windows=self._looks.nothing(n, len(self.montage.names)))
        return replace(frame, bands=(moments_nam,) * len(stretch.bands))

    def _image_all(
        self, eeg: Float, operator: Operator, stamps: NDArray[np.float64], began_s: float
    ) -> Frame:
        """Image samples of electrodes, in several runs of the network where there are many."""
        n, batch = len(eeg), self.network.batch
        if n <= batch:
            return self._image(eeg, operator, stamps, began_s)
        moments_nam = np.empty((n, self._n_dipoles), np.float32)
        fit, confidence = np.empty((2, n), np.float32)

        def image(first: int) -> None:
            rows = slice(first, first + batch)
            frame = self._image(eeg[rows], operator, stamps[rows], began_s, moments_nam[rows])
            fit[rows], confidence[rows] = frame.goodness_of_fit, frame.confidence

        # Each core takes a batch of its own all the way, while it is in its cache. A CUDA graph
        # belongs to the thread that recorded it: there, one worker.
        with ThreadPoolExecutor(self.network.workers) as pool:
            list(pool.map(image, range(0, n, batch)))
        times = StageTimes(began_s, np.nan, np.nan, self._clock())
        return Frame(moments_nam, fit, confidence, stamps, times)

    def maps(self, samples: ArrayLike) -> Float:
        """Return source maps as the network gives them, without a scale.

        Parameters
        ----------
        samples : array, shape (n_times, n_channels)

        Returns
        -------
        maps : ndarray, shape (n_times, n_dipoles)
        """
        samples = self._checked(samples)
        if self.preparation is not None:
            raise ValueError("maps are of single samples: expected an imager without sfreq_hz")
        eeg = samples[:, self._used].astype(np.float32, copy=False)
        inputs, _ = self._inputs(eeg, self._operator)
        return self.network(inputs, given=self._operator.given)

    def _image(
        self,
        eeg: Float,
        operator: Operator,
        stamps: NDArray[np.float64],
        began_s: float,
        out: Float | None = None,
    ) -> Frame:
        """Prepare, infer, scale."""
        inputs, scaled_to = self._inputs(eeg, operator)
        prepared_s = self._clock()
        maps = self.network(inputs, out, operator.given)
        inferred_s = self._clock()
        peaks = peaks_of(maps)  # they have a scale once they are moments
        moments_nam, fit = scale_to_eeg(maps, scaled_to, operator.lead_field)
        if self._confidence is None:
            confidence = np.full(len(maps), np.nan, np.float32)
        else:
            confidence = self._confidence(terms_of(peaks, maps, fit, scaled_to, operator))
        times = StageTimes(began_s, prepared_s, inferred_s, self._clock())
        return Frame(moments_nam, fit, confidence, stamps, times)

    def _inputs(self, eeg: Float, operator: Operator) -> tuple[Float, Float]:
        """Return the network's input, and the average-referenced EEG in volts."""
        prepared = product(eeg, operator.matrix)
        return np.ascontiguousarray(prepared[:, : self._n_inputs]), prepared[:, self._n_inputs :]

    def _checked(self, samples: ArrayLike) -> Float:
        array = np.asarray(samples)
        if array.ndim != 2 or array.shape[1] != self._n_channels:
            raise MontageError(
                f"samples have the shape {array.shape}: expected (n_times, n_channels), here "
                f"(n_times, {self._n_channels})"
            )
        return array


def _check_named(bad: Collection[str], montage: Montage) -> None:
    """Refuse names of electrodes that the stream does not have: a slip would go unnoticed."""
    unknown = [name for name in bad if name not in montage.names]
    if unknown:
        raise MontageError(
            f"`bad` names {', '.join(unknown)}: expected electrodes of the stream, which are "
            f"{', '.join(montage.names)}"
        )
