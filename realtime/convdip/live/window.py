"""Beside the map of each sample: how strong each dipole was over the last moments.

One sample of EEG does not say much; the covariance of many does. The network takes a window's
covariance as it takes a sample's, and says which dipoles were active in it. Given that, a linear
estimate follows the course of each: the posterior mean of Gaussian moments whose variances are the
squares of the map. It shrinks the weaker ones, so that their size is taken from the map, at the
scale that fits them all best; its root mean square over the window is published. Both filters and
the window look back alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.frame import Kernel
from convdip.live.gains import N_DIRECTIONS
from convdip.live.network import Network
from convdip.live.operator import Operator
from convdip.live.products import gram, product

Float = NDArray[np.float32]

# Of the power in the window, what is thought to be noise. Among .1, .2, .4 and .7, this gave the
# courses of regions best (r = .80, .86, .89, .90, ongoing EEG of a validation head) and good maps.
NOISE_SHARE = 0.4
# Longer windows are no longer one state of the brain, nor what the network was trained on.
LONGEST_S = 10.0
TINY = 1e-30


class Window:
    """The last moments of EEG, and the power of the cortex in them.

    Parameters
    ----------
    network : Network
        One that is given gains.
    n_electrodes : int
        Of the montage.
    sfreq_hz : float
    seconds : float

    Attributes
    ----------
    seconds : float

    Raises
    ------
    ConfigError
        If the network takes single samples alone, or the window has no length.
    """

    def __init__(
        self, network: Network, n_electrodes: int, sfreq_hz: float, seconds: float
    ) -> None:
        n = round(seconds * sfreq_hz)
        if network.cortex is None:
            raise ConfigError(
                "`window` is for models that take any cap: this one takes single samples alone; "
                "use `model='convdip-anycap'`"
            )
        if not (n >= 2 and seconds <= LONGEST_S):
            raise ConfigError(
                f"`window` is {seconds:g} s: expected two samples or more (here {2 / sfreq_hz:g} "
                f"s), and {LONGEST_S:g} s at most"
            )
        self.seconds = seconds
        self._network = network
        self._operator: Operator | None = None
        self._eeg = np.zeros((n, n_electrodes), np.float32)
        self.restart()

    def restart(self) -> None:
        """Begin anew after a gap."""
        self._n_seen, self._next, self._operator = 0, 0, None

    @property
    def is_full(self) -> bool:
        """Whether it holds as many samples as it should, all of electrodes that are believed."""
        return self._n_seen >= len(self._eeg)

    def add(self, eeg: Float, operator: Operator) -> None:
        """Add samples.

        Parameters
        ----------
        eeg : ndarray, shape (n_times, n_electrodes)
            Volts, conditioned.
        operator : Operator
            Of the electrodes that can be believed.
        """
        before = self._operator
        if before is not None and set(before.left_out) - set(operator.left_out):
            self._n_seen = 0  # what an electrode measured before it came back is not believed
        self._operator = operator
        n = len(self._eeg)
        recent = np.nan_to_num(eeg[-n:])
        rows = (self._next + np.arange(len(recent))) % n
        self._eeg[rows] = recent
        self._next = (self._next + len(recent)) % n
        self._n_seen += len(eeg)

    def power(self) -> Float | None:
        """Return root mean square moments in nAm, shape (n_dipoles,); None until it is full."""
        found = self.look()
        return None if found is None else found[1]

    def look(self) -> tuple[Kernel, Float, Float] | None:
        """Return how strong each dipole was, how sure that is, and how it was found.

        Returns
        -------
        kernel : Kernel
        rms_nam : ndarray, shape (n_dipoles,)
            Root mean square moments.
        probability : ndarray, shape (n_dipoles,)
            That a dipole is part of a source. None, with the others, until the window is full.
        """
        if not self.is_full or self._operator is None:
            return None
        in_order = np.roll(self._eeg, -self._next, axis=0)
        kernel, rms_nam, probability = look(in_order, self._operator, self._network)
        whitener = self._operator.matrix[:, :N_DIRECTIONS]
        return Kernel(whitener, kernel * np.float32(1e9)), rms_nam, probability


def power_of(eeg: Float, operator: Operator, network: Network) -> tuple[Float, Float]:
    """Return root mean square moments and probabilities of a window, shape (n_dipoles,) each.

    Parameters
    ----------
    eeg : ndarray of float32, shape (n_times, n_electrodes)
        Volts, conditioned.
    operator : Operator
    network : Network
    """
    _, rms_nam, probability = look(eeg, operator, network)
    return rms_nam, probability


def look(eeg: Float, operator: Operator, network: Network) -> tuple[Float, Float, Float]:
    """Ask the network which dipoles are active in a window, and read out how strongly.

    Returns
    -------
    kernel : ndarray, shape (n_dipoles, N_DIRECTIONS)
        From the operator's whitened EEG to moments in A·m.
    rms_nam, probability : ndarray, shape (n_dipoles,)
        Root mean square of those moments over the window, and that a dipole is part of a source.
    """
    whitener = operator.matrix[:, :N_DIRECTIONS]
    whitened = product(eeg, whitener)
    covariance = gram(whitened).astype(float) / len(whitened)
    variances, directions = np.linalg.eigh(covariance)
    factor = (directions * np.sqrt(variances.clip(min=0))).astype(np.float32)
    amplitude, probability = network.window(factor, n_independent(whitened), operator.given)
    gains = product(operator.lead_field.T, whitener)
    rank = float(operator.given["rank"][0])
    # Amplitudes show the strongest alone, probabilities ghosts too.
    strength = np.sqrt(amplitude * probability)
    mean = posterior_kernel(strength, gains, covariance, rank)
    kernel, rms_nam = as_strong_as(strength, mean, covariance)
    return kernel, rms_nam, probability


def as_strong_as(
    strength: Float, kernel: Float, covariance: NDArray[np.float64]
) -> tuple[Float, Float]:
    """Return a kernel whose root mean square moments are proportional to a map, and those in nAm.

    Parameters
    ----------
    strength : ndarray, shape (n_dipoles,)
        Any scale; that of the result is the one that fits the kernel's own moments best.
    kernel : ndarray, shape (n_dipoles, N_DIRECTIONS)
    covariance : ndarray, shape (N_DIRECTIONS, N_DIRECTIONS)
        Of the whitened EEG.
    """
    moments = moments_nam(kernel, covariance)
    fitted = strength * (strength @ moments / (strength @ strength + TINY))
    fitted[moments == 0] = 0.0  # where the kernel sees nothing
    return np.asarray(kernel * (fitted / np.maximum(moments, TINY))[:, None]), fitted


def posterior_kernel(
    amplitude: Float, gains: Float, covariance: NDArray[np.float64], rank: float
) -> Float:
    """Return the matrix from whitened EEG to moments in A·m, given which dipoles are active.

    A dipole's moment is taken for Gaussian, its variance in proportion to the square of the map,
    in white noise: this is its posterior mean.

    Parameters
    ----------
    amplitude : ndarray, shape (n_dipoles,)
        Any scale.
    gains : ndarray, shape (n_dipoles, N_DIRECTIONS)
        Whitened, per A·m.
    covariance : ndarray, shape (N_DIRECTIONS, N_DIRECTIONS)
        Of the whitened EEG.
    rank : float
        Directions that are used.

    Returns
    -------
    kernel : ndarray, shape (n_dipoles, N_DIRECTIONS)
    """
    weighted = gains * amplitude[:, None]
    signal = gram(weighted).astype(float)
    power = np.trace(covariance)
    scale = (1 - NOISE_SHARE) * power / (np.trace(signal) + TINY)
    total = scale * signal + (NOISE_SHARE * power / rank + TINY) * np.eye(len(signal))
    inverse = (scale * np.linalg.inv(total)).astype(np.float32)
    return np.asarray(product(weighted, inverse) * amplitude[:, None])


def moments_nam(kernel: Float, covariance: NDArray[np.float64]) -> Float:
    """Return root mean square moments, shape (n_dipoles,), of EEG with a covariance."""
    through = product(kernel, covariance.astype(np.float32))
    return np.asarray(np.sqrt(np.vecdot(through, kernel).clip(min=0)) * np.float32(1e9))


def n_independent(whitened: Float) -> float:
    """Return how many independent samples say as much as these, from their autocorrelation.

    Parameters
    ----------
    whitened : ndarray, shape (n_times, n_directions)
    """
    n = len(whitened)
    spectrum = np.square(np.abs(np.fft.rfft(whitened, 2 * n, axis=0))).sum(axis=1)
    correlation = np.fft.irfft(spectrum)[:n]
    if not correlation[0] > 0:
        return 1.0
    # Biased, as a sum of squares wants it: the far lags of few pairs count little.
    squares = np.square(correlation[1:] / correlation[0])
    return float(n / (1 + 2 * squares.sum()))
