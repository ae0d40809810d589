"""What travels through the service: EEG in, sources out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EegChunk:
    """Samples as the input stream sent them.

    Attributes
    ----------
    samples : ndarray of float32, shape (n_times, n_stream_channels)
        In the stream's own channel order and units.
    timestamps : ndarray of float64, shape (n_times,)
        Seconds on the LSL clock of this computer (`pylsl.local_clock`).
    """

    samples: NDArray[np.float32]
    timestamps: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """Source estimates of the samples of one chunk.

    Attributes
    ----------
    sources : ndarray of float32, shape (n_times, n_dipoles)
        Dipole moments in A·m, along the outward normal of the cortex.
    goodness_of_fit : ndarray of float32, shape (n_times,)
        Share of the EEG's variance that the sources explain, 0 to 1.
    timestamps : ndarray of float64, shape (n_times,)
        Those of the chunk, unchanged.
    """

    sources: NDArray[np.float32]
    goodness_of_fit: NDArray[np.float32]
    timestamps: NDArray[np.float64]
