"""What travels through the service: EEG in, sources out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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


class StageTimes(NamedTuple):
    """When each stage was done with a frame, in seconds on the imager's clock."""

    began_s: float
    prepared_s: float
    inferred_s: float
    scaled_s: float


@dataclass(frozen=True, slots=True)
class Flags:
    """What happened on the way of a frame; true where anything did.

    Attributes
    ----------
    overload : bool
        More samples wait than allowed.
    n_dropped : int
        Samples dropped just before this frame, to catch up.
    n_missing : int
        Samples newly found missing in the input.
    is_resumed : bool
        The first frame after the input was lost and came back.
    """

    overload: bool = False
    n_dropped: int = 0
    n_missing: int = 0
    is_resumed: bool = False

    def __bool__(self) -> bool:
        return self != ALL_WELL


ALL_WELL = Flags()


@dataclass(frozen=True, slots=True)
class Frame:
    """Source estimates of one or more samples.

    Attributes
    ----------
    moments_nam : ndarray of float32, shape (n_times, n_dipoles)
        Dipole moments in nAm: positive out of the cortex, along its outward normal.
    goodness_of_fit : ndarray of float32, shape (n_times,)
        Share of the EEG's variance that the sources explain, 0 to 1.
    timestamps : ndarray of float64, shape (n_times,)
        Those of the EEG samples, unchanged; NaN where none were given.
    stages : StageTimes
    flags : Flags
    """

    moments_nam: NDArray[np.float32]
    goodness_of_fit: NDArray[np.float32]
    timestamps: NDArray[np.float64]
    stages: StageTimes
    flags: Flags = ALL_WELL
