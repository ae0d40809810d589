"""Steps 2–5 composed: EEG samples in, dipole moments out. No threads, no LSL, no clock."""

from __future__ import annotations

import numpy as np

from realtime.bundle import Bundle
from realtime.errors import MontageError
from realtime.frame import EegChunk, SourceFrame
from realtime.montage import Montage
from realtime.network import Network
from realtime.scale import scale_to_eeg
from realtime.topography import input_matrices


class Imager:
    """Images the samples of one stream with one model.

    Each sample is imaged by itself: how a stream is cut into chunks changes nothing.

    Parameters
    ----------
    bundle : Bundle
    montage : Montage
        The stream's channels, from `realtime.montage.match_montage`.
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
        self._used = montage.used
        self._prepare = prepare[self._used].astype(np.float32)

    def __call__(self, chunk: EegChunk) -> SourceFrame:
        """Image a chunk.

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
        if chunk.samples.shape != (len(chunk.timestamps), self._n_channels):
            raise MontageError(
                f"samples have the shape {chunk.samples.shape}: expected (n_times, n_channels), "
                f"here ({len(chunk.timestamps)} time stamps, {self._n_channels} channels)"
            )
        samples = chunk.samples[:, self._used].astype(np.float32, copy=False)
        prepared = samples @ self._prepare
        inputs, eeg = prepared[:, : self._n_inputs], prepared[:, self._n_inputs :]
        maps = self._network(np.ascontiguousarray(inputs))
        sources, goodness_of_fit = scale_to_eeg(maps, eeg, self._lead_field)
        return SourceFrame(sources, goodness_of_fit, chunk.timestamps)
