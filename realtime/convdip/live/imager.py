"""Steps 2–5 composed: EEG samples in, dipole moments out. No LSL, no clock."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from convdip.bundle import Bundle
from convdip.errors import MontageError
from convdip.live.frame import EegChunk, SourceFrame
from convdip.live.montage import Montage
from convdip.live.network import Network
from convdip.live.scale import scale_to_eeg
from convdip.live.topography import input_matrices

Float = NDArray[np.float32]


class Imager:
    """Images the samples of one stream with one model.

    Each sample is imaged by itself: how a stream is cut into chunks changes nothing.

    Parameters
    ----------
    bundle : Bundle
    montage : Montage
        The stream's channels, from `convdip.live.montage.match_montage`.
    network : Network, optional
        The bundle's network; without it, it is opened where it runs best.
    """

    def __init__(self, bundle: Bundle, montage: Montage, network: Network | None = None) -> None:
        self._network = network or Network(bundle.model, bundle.head)
        self._lead_field = bundle.head.lead_field
        to_eeg, to_topography = input_matrices(bundle.head, montage)
        to_input = to_topography if self._network.takes == "topography" else to_eeg
        self._n_inputs = len(to_input)
        # One product prepares the network's input and the EEG that the scale is fitted to.
        prepare = np.vstack([to_input, to_eeg]).T
        self._n_channels = montage.to_volts.shape[1]
        used = montage.used
        # A slice makes no copy, an index does.
        self._used = slice(None) if len(used) == self._n_channels else used
        self._prepare = prepare[used].astype(np.float32)

    def __call__(self, chunk: EegChunk) -> SourceFrame:
        """Image a chunk, or a whole recording: 20 kB of sources a sample.

        More samples than one run of the network takes are imaged on all cores.

        Parameters
        ----------
        chunk : EegChunk
            ``samples`` of shape (n_times, n_stream_channels).

        Returns
        -------
        frame : SourceFrame

        Raises
        ------
        MontageError
            If the chunk has not the montage's channels, or not one time stamp a sample.
        """
        n, batch = len(chunk.timestamps), self._network.batch
        if n <= batch:
            inputs, eeg = self.prepare(chunk)
            sources, fit = self.scale(self.infer(inputs), eeg)
            return SourceFrame(sources, fit, chunk.timestamps)

        self._check(chunk)
        sources = np.empty((n, self._lead_field.shape[1]), np.float32)
        fit = np.empty(n, np.float32)

        def image(first: int) -> None:
            rows = slice(first, first + batch)
            inputs, eeg = self.prepare(EegChunk(chunk.samples[rows], chunk.timestamps[rows]))
            self._network(inputs, out=sources[rows])
            _, fit[rows] = self.scale(sources[rows], eeg)

        # Each core takes a batch of its own all the way, while it is in its cache; the linear
        # algebra below must then not spread over all cores by itself.
        with threadpool_limits(1, "blas"):
            starts = range(0, n, batch)
            if self._network.workers == 1:  # a CUDA graph belongs to the thread that recorded it
                list(map(image, starts))
            else:
                with ThreadPoolExecutor(self._network.workers) as pool:
                    list(pool.map(image, starts))
        return SourceFrame(sources, fit, chunk.timestamps)

    def prepare(self, chunk: EegChunk) -> tuple[Float, Float]:
        """Make the network's input and the average-referenced EEG of a chunk.

        Returns
        -------
        inputs : ndarray, shape (n_times, 77) or (n_times, n_electrodes)
            Volts.
        eeg : ndarray, shape (n_times, n_electrodes)
            Volts.

        Raises
        ------
        MontageError
            If the chunk has not the montage's channels, or not one time stamp a sample.
        """
        self._check(chunk)
        samples = chunk.samples[:, self._used].astype(np.float32, copy=False)
        prepared = samples @ self._prepare
        return np.ascontiguousarray(prepared[:, : self._n_inputs]), prepared[:, self._n_inputs :]

    def _check(self, chunk: EegChunk) -> None:
        if chunk.samples.shape != (len(chunk.timestamps), self._n_channels):
            raise MontageError(
                f"samples have the shape {chunk.samples.shape}: expected (n_times, n_channels), "
                f"here ({len(chunk.timestamps)} time stamps, {self._n_channels} channels)"
            )

    def infer(self, inputs: Float) -> Float:
        """Return the source maps without a scale, shape (n_times, n_dipoles)."""
        return self._network(inputs)

    def scale(self, maps: Float, eeg: Float) -> tuple[Float, Float]:
        """Scale maps to the EEG, in place; see `convdip.live.scale.scale_to_eeg`."""
        return scale_to_eeg(maps, eeg, self._lead_field)
