"""Eyes and muscle in the last half second: recognised and flagged, not removed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Artefact
from convdip.head import Head
from convdip.live.conditioning import MAINS_HZ
from convdip.live.mains import mains_waves
from convdip.live.sections import Response, high_pass

Float = NDArray[np.float64]

# Electrodes nearer than this to Fp1 and Fp2, or to F7 and FT9, F8 and FT10, see the eyes.
NEAR_M = 0.035
# From peak to peak of half a second: eyes move by tens of degrees, and lids close.
EYES_V = 75e-6
# Against the median electrode: alpha may be as large, but is not largest beside the eyes.
EYES_RATIO = 2.5
MUSCLE_HZ = 30.0
# SD above that, in a tenth of the electrodes. In nine recordings at rest a tenth has more than 1 to
# 9 µV there, of which most is the amplifiers' noise.
MUSCLE_V = 15e-6
MUSCLE_SHARE = 0.1
FEWEST = 2


class ArtefactFinder:
    """Finds them in a window.

    Parameters
    ----------
    head : Head
        Whose electrodes tell where the eyes are.
    places_m : ndarray, shape (n_electrodes, 3)
        Of the electrodes that are there.
    times_s : ndarray, shape (n_times,)
        Of a window's samples, evenly spaced.
    """

    def __init__(self, head: Head, places_m: Float, times_s: Float) -> None:
        def near(*names: str) -> NDArray[np.bool_]:
            found = [head.electrodes_m[head.channels.index(n)] for n in names if n in head.channels]
            distances_m = np.linalg.norm(
                places_m[:, None] - np.reshape(found, (-1, 3)).astype(float), axis=2
            )
            return np.asarray((distances_m < NEAR_M).any(axis=1))

        self._front = near("Fp1", "Fp2")
        self._left, self._right = near("F7", "FT9"), near("F8", "FT10")
        sfreq_hz = 1 / (times_s[1] - times_s[0])
        self._fast: Response | None = None
        if sfreq_hz / 2 > MUSCLE_HZ * 1.2:
            self._fast = Response(high_pass(4, MUSCLE_HZ, sfreq_hz), len(times_s))
        self._mains = mains_waves(times_s, MAINS_HZ)

    def __call__(self, window_v: Float, good: NDArray[np.bool_]) -> Artefact:
        """Return the first artefact that is there, in the second half of a window.

        Parameters
        ----------
        window_v : ndarray, shape (n_times, n_electrodes)
            Without mean and slope.
        good : ndarray of bool, shape (n_electrodes,)
            Those that may be looked at; a muscle's own may be found noisy for it.
        """
        if good.sum() < FEWEST:
            return Artefact.NONE
        # Against the average, or a reference beside an eye would show it everywhere.
        eeg = window_v - window_v[:, good].mean(axis=1, keepdims=True)
        recent = eeg[len(eeg) // 2 :]
        usual_v = float(np.median(np.ptp(recent[:, good], axis=0)))
        least_v = max(EYES_V, EYES_RATIO * usual_v)
        front, left, right = (
            recent[:, where & good] for where in (self._front, self._left, self._right)
        )
        if front.shape[1] and np.ptp(front.mean(axis=1)) > least_v:
            return Artefact.BLINK
        if left.shape[1] and right.shape[1]:
            sideways = left.mean(axis=1) - right.mean(axis=1)
            if np.ptp(sideways) > least_v:
                return Artefact.EYES
        return Artefact.MUSCLE if self._has_muscle(eeg[:, good]) else Artefact.NONE

    def _has_muscle(self, eeg: Float) -> bool:
        """Return whether several electrodes have more fast activity than a brain shows them."""
        if self._fast is None:
            return False
        eeg = eeg - self._mains @ (self._mains.T @ eeg)
        fast = self._fast(eeg.T)
        loud = fast[:, fast.shape[1] // 2 :].std(axis=1) > MUSCLE_V
        return bool(loud.sum() >= max(FEWEST, int(MUSCLE_SHARE * loud.size)))
