"""What travels through the service: EEG in, sources out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EegChunk:
    """Samples as the input stream sent them.

    Attributes
    ----------
    samples : ndarray, shape (n_times, n_stream_channels)
        In the stream's own channel order, units and number format.
    timestamps : ndarray of float64, shape (n_times,)
        Seconds on the LSL clock of this computer (`pylsl.local_clock`).
    skipped : EegChunk or None
        What came just before and is not to be imaged; filters need it.
    """

    samples: NDArray[np.generic]
    timestamps: NDArray[np.float64]
    skipped: EegChunk | None = None

    def pieces(self, last_stamp: float, gap_s: float) -> list[tuple[bool, EegChunk]]:
        """Return the chunk cut where its stamps jump, and whether they do before each piece."""
        stamps = self.timestamps
        if len(stamps) == 1:  # the usual: no need for arrays
            return [(bool(stamps[0] - last_stamp > gap_s), self)]
        jumps = np.diff(stamps, prepend=last_stamp) > gap_s
        cuts = [0, *(np.flatnonzero(jumps[1:]) + 1).tolist(), len(stamps)]
        return [
            (bool(jumps[first]), EegChunk(self.samples[first:end], stamps[first:end]))
            for first, end in pairwise(cuts)
        ]


class Artefact(StrEnum):
    """What is in the EEG beside the brain's."""

    NONE = "none"
    BLINK = "blink"
    EYES = "eye movement"
    MUSCLE = "muscle"


class Invalid(StrEnum):
    """Why samples are not imaged: their moments are NaN."""

    NOT = "valid"
    COVERAGE = "too few electrodes"
    SIGNAL = "no signal"
    MOMENT = "implausible moments"
    NUMBER = "not a number"


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
    is_late : bool
        It is of the past: it came long after its stamps, as after a freeze.
    is_resumed : bool
        The first frame after the input was lost and came back.
    invalid : Invalid
        Why rows of the frame are NaN, if some are.
    artefact : Artefact
        Eyes or muscle within the last half second.
    bad : tuple of str
        Electrodes that are left out.
    """

    overload: bool = False
    n_dropped: int = 0
    n_missing: int = 0
    is_late: bool = False
    is_resumed: bool = False
    invalid: Invalid = Invalid.NOT
    artefact: Artefact = Artefact.NONE
    bad: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != ALL_WELL


ALL_WELL = Flags()


class Kernel(NamedTuple):
    """What a network saw in a window, as a matrix: from EEG to the moments of what was active.

    Attributes
    ----------
    whitener : ndarray of float32, shape (n_electrodes, n_directions)
    moments : ndarray of float32, shape (n_dipoles, n_directions)
        In nAm, of whitened EEG in volts.
    """

    whitener: NDArray[np.float32]
    moments: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Windowed:
    """EEG of a band, and the kernels that windows of it are imaged with.

    Attributes
    ----------
    eeg : ndarray of float32, shape (n_times, n_electrodes)
        Volts; NaN where nothing can be imaged.
    kernels : tuple of (int, Kernel)
        Each one holds from a row on; until then the last one of the frames before.
    """

    eeg: NDArray[np.float32]
    kernels: tuple[tuple[int, Kernel], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """Source estimates of one or more samples.

    Attributes
    ----------
    moments_nam : ndarray of float32, shape (n_times, n_dipoles)
        Dipole moments in nAm: positive out of the cortex, along its outward normal.
    goodness_of_fit : ndarray of float32, shape (n_times,)
        Share of the EEG's variance that the sources explain, 0 to 1.
    confidence : ndarray of float32, shape (n_times,)
        Probability that the strongest dipole lies within 20 mm of the middle of a source, as it
        was found on simulated EEG; NaN where the model was not calibrated.
    timestamps : ndarray of float64, shape (n_times,)
        Those of the EEG samples, unchanged; NaN where none were given.
    stages : StageTimes
    flags : Flags
    bands : tuple of ndarray, shape (n_times, n_dipoles)
        The moments of the same samples in other bands, where those were asked for.
    windows : tuple of Windowed
        In place of these, one a band, where windows are looked at.
    """

    moments_nam: NDArray[np.float32]
    goodness_of_fit: NDArray[np.float32]
    confidence: NDArray[np.float32]
    timestamps: NDArray[np.float64]
    stages: StageTimes
    flags: Flags = ALL_WELL
    bands: tuple[NDArray[np.float32], ...] = ()
    windows: tuple[Windowed, ...] = ()


def joined(frames: Sequence[Frame], n_dipoles: int) -> Frame:
    """Return frames that follow one another as one.

    Its stages are those of the first's begin and the last's end; it is invalid if any is.
    """
    if not frames:
        nothing = np.empty(0, np.float32)
        times = StageTimes(*(np.nan,) * 4)
        moments_nam, stamps = nothing.reshape(0, n_dipoles), nothing.astype(float)
        return Frame(moments_nam, nothing, nothing, stamps, times)
    first, last = frames[0].stages, frames[-1].stages
    invalid = next((f.flags.invalid for f in frames if f.flags.invalid != Invalid.NOT), Invalid.NOT)
    return Frame(
        np.concatenate([frame.moments_nam for frame in frames]),
        np.concatenate([frame.goodness_of_fit for frame in frames]),
        np.concatenate([frame.confidence for frame in frames]),
        np.concatenate([frame.timestamps for frame in frames]),
        StageTimes(first.began_s, last.prepared_s, last.inferred_s, last.scaled_s),
        Flags(invalid=invalid),
        tuple(map(np.concatenate, zip(*(frame.bands for frame in frames), strict=True))),
        tuple(map(_joined, zip(*(frame.windows for frame in frames), strict=True))),
    )


def _joined(parts: tuple[Windowed, ...]) -> Windowed:
    """Return EEG that follows one another, and its kernels, as one."""
    firsts = np.cumsum([0, *(len(part.eeg) for part in parts)]).tolist()
    kernels = tuple(
        (first + row, kernel)
        for first, part in zip(firsts, parts, strict=False)
        for row, kernel in part.kernels
    )
    return Windowed(np.concatenate([part.eeg for part in parts]), kernels)
