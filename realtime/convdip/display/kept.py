"""What is kept of a service: its maps, its regions and the EEG, of the last half minute."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from convdip.display.history import LENGTH_S, Ring, SourceHistory
from convdip.display.rhythm_history import RhythmHistory
from convdip.head import Head

# Rows kept at most, so that memory stays small at rates that nobody looks at for half a minute.
MOST_ROWS = 150_000

Float = NDArray[np.float32]


class Kept:
    """The last half minute, in memory of fixed size.

    Parameters
    ----------
    head : Head
    sfreq_hz : float
        Samples a second.
    at_once : bool
        Take the memory now, as in `Ring`.

    Attributes
    ----------
    sources : SourceHistory
    regions : Ring
        Mean absolute moment of each region of the atlas, for every sample, in nAm; 0 for the
        medial wall.
    signed_regions : Ring
        The same of the moments with their signs.
    eeg : Ring
        Average-referenced EEG at the model's electrodes, in microvolts.
    rhythm : RhythmHistory
        The power of the band that is followed.
    feedback : Ring
        Value and threshold of what is fed back.
    z : Ring
        Its distance from the baseline, in standard deviations.
    """

    def __init__(self, head: Head, sfreq_hz: float, *, at_once: bool = True) -> None:
        n_rows, n_regions = min(round(LENGTH_S * sfreq_hz), MOST_ROWS), len(head.atlas_names)
        self.sources = SourceHistory(head.n_dipoles, head.is_cortex, at_once=at_once)
        self.regions = Ring(n_rows, n_regions, at_once=at_once)
        self.signed_regions = Ring(n_rows, n_regions, at_once=at_once)
        self.eeg = Ring(n_rows, head.n_electrodes, at_once=at_once)
        self._means = _region_means(head)
        self.rhythm = RhythmHistory(head.is_cortex, self._means, at_once=at_once)
        self.feedback = Ring(n_rows, 2, at_once=at_once)
        self.z = Ring(n_rows, 1, at_once=at_once)

    def add_sources(self, moments_nam: Float, stamps: NDArray[np.float64]) -> None:
        """Keep samples of sources.

        Parameters
        ----------
        moments_nam : ndarray, shape (n_times, n_dipoles)
        stamps : ndarray, shape (n_times,)
        """
        self.sources.add(moments_nam, stamps)
        self.regions.append((self._means @ np.abs(moments_nam).T).T, stamps)
        self.signed_regions.append((self._means @ moments_nam.T).T, stamps)

    def means_of(self, map_nam: Float) -> Float:
        """Return the means of regions of a map, shape (n_regions,)."""
        means: Float = self._means @ map_nam
        return means

    def extend(self, later: Kept) -> None:
        """Add what was kept elsewhere of the time after."""
        self.sources.extend(later.sources)
        self.regions.extend(later.regions)
        self.signed_regions.extend(later.signed_regions)
        self.eeg.extend(later.eeg)
        self.rhythm.extend(later.rhythm)
        self.feedback.extend(later.feedback)
        self.z.extend(later.z)


def _region_means(head: Head) -> sp.csr_matrix:
    """Return the matrix from dipoles to the means of the atlas' regions; 0 for the medial wall."""
    n = np.bincount(head.atlas, minlength=len(head.atlas_names))
    shares: NDArray[np.float32] = (head.is_cortex / n[head.atlas]).astype(np.float32)
    shape = (len(n), head.n_dipoles)
    return sp.csr_matrix((shares, (head.atlas, np.arange(head.n_dipoles))), shape)
