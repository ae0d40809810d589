"""The last 30 s of a band's power."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from convdip.display.history import LENGTH_S, Float, Ring, Shown

# The service publishes no more than this.
MOST_HZ = 20.0
# An older map is not shown as that of a moment: after a gap there is none for a second.
OLDEST_S = 0.6
# Shown is the root mean square over this time, on top of the second that each map looks back: so
# a rhythm that waxes and wanes stays on the screen.
SMOOTHED_S = 1.0


class RhythmHistory:
    """Maps of root mean square moments, and what is read off them.

    Parameters
    ----------
    is_cortex : ndarray of bool, shape (n_dipoles,)
        Where a map's maximum is looked for.
    region_means : sparse array, shape (n_regions, n_dipoles)
        From a map to the means of regions.
    at_once : bool
        Take the memory now, as in `Ring`.

    Attributes
    ----------
    regions : Ring
        Mean of each region in each map.
    """

    def __init__(
        self, is_cortex: NDArray[np.bool_], region_means: sp.csr_matrix, *, at_once: bool = True
    ) -> None:
        n_rows = round(LENGTH_S * MOST_HZ)
        self._cortex, self._region_means = np.flatnonzero(is_cortex), region_means
        self._maps = Ring(n_rows, len(is_cortex), at_once=at_once)
        self._largest = Ring(n_rows, 1)
        self.regions = Ring(n_rows, region_means.shape[0])

    def add(self, maps_nam: Float, stamps: NDArray[np.float64]) -> None:
        """Add maps, in order of time.

        Parameters
        ----------
        maps_nam : ndarray, shape (n_maps, n_dipoles)
            What is NaN is not known, and not kept.
        stamps : ndarray, shape (n_maps,)
        """
        if not len(stamps):
            return
        is_known = np.isfinite(maps_nam).all(axis=1)
        maps_nam, stamps = maps_nam[is_known], stamps[is_known]
        self._maps.append(maps_nam, stamps)
        self._largest.append(maps_nam[:, self._cortex].max(axis=1, initial=0)[:, None], stamps)
        self.regions.append((self._region_means @ maps_nam.T).T, stamps)

    def extend(self, later: RhythmHistory) -> None:
        """Add what another history holds of the time after."""
        self._maps.extend(later._maps)
        self._largest.extend(later._largest)
        self.regions.extend(later.regions)

    def clear(self) -> None:
        """Forget all."""
        for ring in (self._maps, self._largest, self.regions):
            ring.clear()

    @property
    def newest_s(self) -> float:
        """Stamp of the newest map; minus infinity for none."""
        stamps = self._maps.stamps
        return float(stamps[-1]) if len(stamps) else -np.inf

    def at(self, time_s: float) -> Shown | None:
        """Return the map of a moment, smoothed over the second before; None where there is none."""
        maps_nam, stamps = self._maps.between(time_s - SMOOTHED_S, time_s)
        if not len(stamps) or time_s - stamps[-1] > OLDEST_S:
            return None
        smoothed_nam: Float = np.sqrt(np.square(maps_nam).mean(axis=0))
        return Shown(smoothed_nam, float(stamps[-1]))

    def peaks_nam(self, length_s: float) -> Float:
        """Return the maxima of the maps of the latest seconds."""
        peaks, _ = self._largest.between(self.newest_s - length_s, np.inf)
        return peaks[:, 0]

    def between(self, first_s: float, last_s: float) -> tuple[Float, NDArray[np.float64]]:
        """Return maps and time stamps of an interval, the first end excluded; views."""
        return self._maps.between(first_s, last_s)
