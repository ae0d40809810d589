"""The last 30 s, in memory of fixed size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LENGTH_S = 30.0
# Source maps kept per second, each with peak and mean of the samples it stands for.
FRAME_HZ = 50.0
# Time stamps that jump back by more belong to another run of the source.
BACK_S = 0.5

Float = NDArray[np.float32]


def _zeros(shape: tuple[int, int], *, at_once: bool) -> Float:
    """Return zeros; at once: their pages are touched now, or else as they are used."""
    zeros: Float = np.zeros(shape, np.float32)
    if at_once:
        zeros.fill(0.0)
    return zeros


def extreme(highest: Float, lowest: Float) -> Float:
    """Return the larger of two in magnitude, with its sign."""
    larger: Float = np.where(highest >= -lowest, highest, lowest)
    return larger


def thinned(
    values: Float, stamps: NDArray[np.float64], n_most: int
) -> tuple[Float, NDArray[np.float64]]:
    """Return about as many points of a course as asked for: the largest of neighbours.

    So no peak falls between two points.

    Parameters
    ----------
    values, stamps : ndarray, shape (n_times,)
        At least one.
    n_most : int
    """
    starts = np.arange(0, len(stamps), max(1, len(stamps) // n_most))
    return extreme(*(f.reduceat(values, starts) for f in (np.maximum, np.minimum))), stamps[starts]


class Ring:
    """The latest rows with their time stamps, always contiguous in memory.

    Parameters
    ----------
    n_rows, n_columns : int
    at_once : bool
        Take the memory now, so that its later use does not look like a leak; else as it is used.
    """

    def __init__(self, n_rows: int, n_columns: int, *, at_once: bool = True) -> None:
        # Twice the length: at the end, the latest half moves to the front.
        self._rows = _zeros((2 * n_rows, n_columns), at_once=at_once)
        self._stamps = np.zeros(2 * n_rows)
        self._n_rows = n_rows
        self._start = self._end = 0

    def append(self, rows: Float, stamps: NDArray[np.float64]) -> None:
        """Add rows; drop what is too old or belongs to another run."""
        if not len(stamps):
            return
        if self._end > self._start:
            newest = self._stamps[self._end - 1]
            if stamps[0] < newest - BACK_S:
                self.clear()
            else:  # a slightly early time stamp must not break the order
                stamps = np.maximum(stamps, newest)
        stamps = np.maximum.accumulate(stamps)
        rows, stamps = rows[-self._n_rows :], stamps[-self._n_rows :]
        n = len(stamps)
        if self._end + n > len(self._stamps):
            kept = slice(max(self._start, self._end - self._n_rows), self._end)
            n_kept = kept.stop - kept.start
            self._rows[:n_kept] = self._rows[kept]
            self._stamps[:n_kept] = self._stamps[kept]
            self._start, self._end = 0, n_kept
        self._rows[self._end : self._end + n] = rows
        self._stamps[self._end : self._end + n] = stamps
        self._end += n
        self._start = max(self._start, self._end - self._n_rows)

    def extend(self, later: Ring) -> None:
        """Add what another ring holds of the time after."""
        self.append(later.rows, later.stamps)

    def clear(self) -> None:
        """Forget all."""
        self._start = self._end = 0

    @property
    def stamps(self) -> NDArray[np.float64]:
        """All stamps kept; a view."""
        return self._stamps[self._start : self._end]

    @property
    def rows(self) -> Float:
        """All rows kept; a view."""
        return self._rows[self._start : self._end]

    def between(self, first_s: float, last_s: float) -> tuple[Float, NDArray[np.float64]]:
        """Return rows and time stamps of an interval, the first end excluded; views."""
        low, high = np.searchsorted(self.stamps, (first_s, last_s), "right")
        return self.rows[low:high], self.stamps[low:high]


@dataclass(frozen=True)
class Shown:
    """A source map to draw.

    Attributes
    ----------
    moments_nam : ndarray, shape (n_dipoles,)
    stamp : float
        Time stamp of its newest sample.
    """

    moments_nam: Float
    stamp: float


class SourceHistory:
    """Source maps of the last 30 s at 50 Hz: the last sample, peaks and means of each.

    Peaks between two pictures are kept, so that the peak hold misses none. Means are kept with
    signs and of magnitudes, since those of a rhythm's signed moments vanish.

    Parameters
    ----------
    n_dipoles : int
    is_cortex : ndarray of bool, shape (n_dipoles,), optional
        Where the largest moment of a map is looked for; everywhere by default.
    at_once : bool
        Take the memory now, as in `Ring`.
    """

    def __init__(
        self,
        n_dipoles: int,
        is_cortex: NDArray[np.bool_] | None = None,
        *,
        at_once: bool = True,
    ) -> None:
        n_slots = round(LENGTH_S * FRAME_HZ)
        self._last = _zeros((n_slots, n_dipoles), at_once=at_once)
        self._peak = _zeros((n_slots, n_dipoles), at_once=at_once)
        self._mean = _zeros((n_slots, n_dipoles), at_once=at_once)
        self._mean_magnitude = _zeros((n_slots, n_dipoles), at_once=at_once)
        self._largest = np.zeros(n_slots, np.float32)
        self._cortex = np.flatnonzero(np.ones(n_dipoles) if is_cortex is None else is_cortex)
        self._n_in = np.zeros(n_slots, np.int64)
        self._stamp = np.full(n_slots, -np.inf)
        self._n_slots = n_slots
        self._n_frames = 0
        self._bin = -1
        self.n_samples = 0

    def add(self, moments_nam: Float, stamps: NDArray[np.float64]) -> None:
        """Add samples, in order of time.

        Parameters
        ----------
        moments_nam : ndarray, shape (n_times, n_dipoles)
        stamps : ndarray, shape (n_times,)
        """
        if not len(stamps):
            return
        if stamps[0] < self.newest_s - BACK_S:
            self.clear()
        stamps = np.maximum.accumulate(np.maximum(stamps, self.newest_s))
        bins = np.floor(stamps * FRAME_HZ).astype(np.int64)
        starts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        for start, end in zip(starts, [*starts[1:], len(bins)], strict=True):
            part = moments_nam[start:end]
            slot = (self._n_frames - 1) % self._n_slots
            if self._n_frames == 0 or bins[start] != self._bin:
                self._bin = int(bins[start])
                slot = self._n_frames % self._n_slots
                self._n_frames += 1
                for kept in (self._peak, self._mean, self._mean_magnitude, self._n_in):
                    kept[slot] = 0
            self._add_to(slot, part)
            self._last[slot] = part[-1]
            self._stamp[slot] = stamps[end - 1]
        self.n_samples += len(stamps)

    def _add_to(self, slot: int, part: Float) -> None:
        """Update peak, means and number of samples of a slot."""
        magnitudes = np.abs(part)
        peak = self._peak[slot]
        peak[:] = extreme(np.maximum(peak, part.max(axis=0)), np.minimum(peak, part.min(axis=0)))
        self._largest[slot] = np.abs(peak[self._cortex]).max()
        n = self._n_in[slot] + len(part)
        for mean, values in ((self._mean[slot], part), (self._mean_magnitude[slot], magnitudes)):
            mean += (values.sum(axis=0) - len(part) * mean) / n
        self._n_in[slot] = n

    def extend(self, later: SourceHistory) -> None:
        """Add what another history holds of the time after."""
        if not later._n_frames:
            return
        if later.oldest_s < self.newest_s - BACK_S:
            self.clear()
        theirs = later._slots(np.inf, np.inf)
        ours = (self._n_frames + np.arange(len(theirs))) % self._n_slots
        for name in ("_last", "_peak", "_mean", "_mean_magnitude", "_largest", "_n_in"):
            getattr(self, name)[ours] = getattr(later, name)[theirs]
        self._stamp[ours] = np.maximum(later._stamp[theirs], self.newest_s)
        self._n_frames += len(theirs)
        self._bin = later._bin
        self.n_samples += later.n_samples

    def clear(self) -> None:
        """Forget all."""
        self._n_frames, self._bin = 0, -1
        self._stamp[:] = -np.inf

    @property
    def newest_s(self) -> float:
        """Stamp of the newest sample; minus infinity for none."""
        return float(self._stamp[(self._n_frames - 1) % self._n_slots])

    @property
    def is_finite(self) -> bool:
        """Whether the newest map is free of NaN and infinity."""
        newest = self._last[(self._n_frames - 1) % self._n_slots]
        return bool(np.isfinite(newest).all())

    @property
    def oldest_s(self) -> float:
        """Stamp of the oldest map kept; minus infinity for none."""
        if self._n_frames < self._n_slots:
            return float(self._stamp[0])
        return float(self._stamp[self._n_frames % self._n_slots])

    def _slots(self, last_s: float, length_s: float) -> NDArray[np.intp]:
        """Return the slots that end within an interval, oldest first; at least one."""
        n = min(self._n_frames, self._n_slots)
        order = (self._n_frames - n + np.arange(n)) % self._n_slots
        stamps = self._stamp[order]
        end = max(int(np.searchsorted(stamps, last_s, "right")), 1)
        start = int(np.searchsorted(stamps, stamps[end - 1] - length_s, "right"))
        return order[min(start, end - 1) : end]

    def at(
        self,
        time_s: float,
        smooth_s: float = 0.0,
        hold_s: float = 0.0,
        *,
        of_magnitudes: bool = False,
    ) -> Shown | None:
        """Return the map to draw for a time; None before the first sample.

        Parameters
        ----------
        time_s : float
            The newest map that is not later is returned.
        smooth_s : float
            Average over all samples of this interval before, in steps of 20 ms; 0: that one
            sample.
        hold_s : float
            The moment of largest magnitude of each dipole over this interval before, faded by its
            age: in full now, nothing of it at the interval's end; 0: none.
        of_magnitudes : bool
            Average magnitudes; else moments with their signs.
        """
        if not self._n_frames:
            return None
        newest = self._slots(time_s, 0.0)[-1]
        stamp = float(self._stamp[newest])
        if hold_s:
            peaks = self._faded(self._slots(time_s, hold_s), hold_s)
            return Shown(extreme(peaks.max(axis=0), peaks.min(axis=0)), stamp)
        if smooth_s:
            slots = self._slots(time_s, smooth_s)
            share = self._n_in[slots] / self._n_in[slots].sum()
            kept = self._mean_magnitude if of_magnitudes else self._mean
            mean: Float = share.astype(np.float32) @ kept[slots]
            return Shown(mean, stamp)
        return Shown(self._last[newest], stamp)

    def _faded(self, slots: NDArray[np.intp], hold_s: float) -> Float:
        """Return the peaks of slots, oldest first, each weighted by how new it is."""
        ages_s = self._stamp[slots[-1]] - self._stamp[slots]
        faded = self._peak[slots]
        faded *= (1 - ages_s / hold_s).clip(0, 1).astype(np.float32)[:, None]
        return faded

    def peaks_nam(self, length_s: float) -> Float:
        """Return the largest absolute moment on cortex of each map of the latest seconds."""
        if not self._n_frames:
            return np.zeros(0, np.float32)
        peaks: Float = self._largest[self._slots(self.newest_s, length_s)]
        return peaks

    def maps(self, length_s: float) -> Float:
        """Return the absolute maps of the latest seconds, single samples, 50 per second.

        Returns
        -------
        maps : ndarray, shape (n_maps, n_dipoles)
        """
        if not self._n_frames:
            return self._last[:0]
        return np.abs(self._last[self._slots(self.newest_s, length_s)])
