"""Windows of EEG as covariances: what is measured of regions through what a network saw in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Kernel, Windowed

if TYPE_CHECKING:
    from scipy import sparse

Float = NDArray[np.float64]


class Covariances:
    """The last samples of a band, and the means over them of what is measured of regions.

    The mean power of a dipole over a window is kᵀ C k, C being the covariance of the EEG in it and
    k what the network saw: all samples of a window are imaged with the newest kernel, also those
    from before it. Of a region, k kᵀ is summed over its dipoles.

    Parameters
    ----------
    weights : sparse array, shape (n_features, n_dipoles)
    lengths : ndarray of int, shape (n_features,)
        Of the features' windows, in samples.
    signed : bool
        Whether features are means of moments, not of their squares.
    """

    def __init__(self, weights: sparse.csr_array, lengths: NDArray[np.int_], *, signed: bool):
        self._signed, self._n_features = signed, len(lengths)
        rows = [weights[[feature]] for feature in range(len(lengths))]
        self._rows = [(row.indices, row.data.astype(np.float32)) for row in rows]
        self._lengths, which = np.unique(lengths, return_inverse=True)
        self._chosen = [np.flatnonzero(which == i) for i in range(len(self._lengths))]
        self._kernel: Kernel | None = None
        self._held = np.empty((0, 0))

    def restart(self) -> None:
        """Begin the windows anew; what the network saw stays until it has seen something newer."""
        self._held = np.empty((0, 0))

    def __call__(self, windowed: Windowed) -> Float:
        """Return the means over the windows that end with each sample, shape (n_times, n_features).

        NaN until the network has looked.
        """
        n, n_electrodes = windowed.eeg.shape
        if not self._held.size:
            self._begin(n_electrodes)
        kernels, means = dict(windowed.kernels), np.full((n, self._n_features), np.nan)
        for row, eeg in enumerate(windowed.eeg.astype(float)):
            if row in kernels:
                self._take(kernels[row])
            self._add(eeg)
            if self._kernel is not None:
                self._measure(self._kernel.whitener, means[row])
        if n in kernels:
            self._take(kernels[n])
        return means

    def _begin(self, n_electrodes: int) -> None:
        n_lengths = len(self._lengths)
        self._held = np.zeros((int(self._lengths[-1]), n_electrodes))
        self._squares = np.zeros((n_lengths, n_electrodes, n_electrodes))
        self._sums, self._next = np.zeros((n_lengths, n_electrodes)), 0

    def _add(self, eeg: Float) -> None:
        """Take a sample into the windows."""
        n_held = len(self._held)
        new = np.outer(eeg, eeg)
        for i, length in enumerate(self._lengths):
            old = self._held[(self._next - length) % n_held]
            self._squares[i] += new - np.outer(old, old)
            self._sums[i] += eeg - old
        self._held[self._next] = eeg
        self._next = (self._next + 1) % n_held
        if self._next == 0:  # rounding errors must not add up over hours
            for i, length in enumerate(self._lengths):
                last = self._held[n_held - length :]
                self._squares[i], self._sums[i] = last.T @ last, last.sum(axis=0)

    def _take(self, kernel: Kernel) -> None:
        """Image with a newer kernel from now on: sum it up over regions."""
        forms = []
        for dipoles, weights in self._rows:
            moments = kernel.moments[dipoles]
            if self._signed:
                forms.append(weights @ moments)
            else:
                weighted = moments * np.sqrt(weights)[:, None]
                forms.append((weighted.T @ weighted).ravel())
        self._kernel, self._forms = kernel, np.array(forms, float)

    def _measure(self, whitener: NDArray[np.float32], means: Float) -> None:
        """Write the means over the windows that end now."""
        for i, chosen in enumerate(self._chosen):
            if self._signed:
                found = self._sums[i] @ whitener
            else:
                found = (whitener.T @ self._squares[i] @ whitener).ravel()
            means[chosen] = self._forms[chosen] @ found / self._lengths[i]
