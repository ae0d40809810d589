"""Windows of several bands, looked at in turn, for what is measured of regions."""

from __future__ import annotations

import numpy as np

from convdip.frame import Kernel, Windowed
from convdip.live.network import Network
from convdip.live.preparation import Stretch
from convdip.live.window import Window

# After so much of EEG one band is looked at, and then the next: a look takes several samples' time.
TURN_S = 0.1


class BandWindows:
    """Keeps a window for each band, and what the network last saw in it.

    Parameters
    ----------
    network : Network
        One that takes windows.
    n_electrodes : int
        Of the montage.
    sfreq_hz : float
    seconds : float
        Length of the windows.
    n_bands : int
        One or more.

    Raises
    ------
    ConfigError
        If a window has no length.
    """

    def __init__(
        self, network: Network, n_electrodes: int, sfreq_hz: float, seconds: float, n_bands: int
    ) -> None:
        self._windows = [Window(network, n_electrodes, sfreq_hz, seconds) for _ in range(n_bands)]
        self._turn_every = max(1, round(TURN_S * sfreq_hz))
        self._n_seen, self._turn = 0, 0

    def restart(self) -> None:
        """Begin anew after a gap; what was seen before it holds until there is something newer."""
        for window in self._windows:
            window.restart()

    def __call__(self, stretch: Stretch) -> tuple[Windowed, ...]:
        """Return a stretch of EEG with the kernels that its windows are imaged with."""
        bands = stretch.bands
        kernels: list[list[tuple[int, Kernel]]] = [[] for _ in bands]
        first, n = 0, len(stretch.eeg)
        while first < n:
            end = min(n, first + self._turn_every - self._n_seen % self._turn_every)
            for window, eeg in zip(self._windows, bands, strict=True):
                window.add(eeg[first:end], stretch.operator)
            self._n_seen += end - first
            first = end
            if self._n_seen % self._turn_every == 0:
                found = self._windows[self._turn].look()
                if found is not None:
                    kernels[self._turn].append((end, found[0]))
                self._turn = (self._turn + 1) % len(self._windows)
        return tuple(Windowed(eeg, tuple(one)) for eeg, one in zip(bands, kernels, strict=True))

    def nothing(self, n: int, n_electrodes: int) -> tuple[Windowed, ...]:
        """Return what stands for samples that cannot be imaged."""
        eeg = np.full((n, n_electrodes), np.nan, np.float32)
        return (Windowed(eeg),) * len(self._windows)
