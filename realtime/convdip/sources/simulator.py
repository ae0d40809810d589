"""A simulated EEG session with known sources, for the demo and for tests of closed loops."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.head import Head
from convdip.patches import cortex_only, patch_dictionary
from convdip.sources.background import background_eeg
from convdip.sources.player import Played, eeg_outlet, play
from convdip.sources.signs import Signs
from convdip.streams import PlayedSource, truth_info

ORDERS = (2, 5)
MOMENT_NAM = (5.0, 10.0)
# The first source comes on after this: clients have time to connect.
LEAD_IN_S = 2.0
SOURCE_S = 0.5
# The whole session is made at once: this much takes about three gigabytes.
MAX_S = 600.0
RAMP_S = 0.1
# Peak of the signal over the largest channel SD of the background: what the paper's
# averages of 20 trials have.
SNR = 20**0.5
POLL_S = 0.1


@dataclass(frozen=True)
class TrueSource:
    """One source of the session.

    Attributes
    ----------
    dipole : int
        Seed of the patch.
    order : int
        Growth iterations.
    moment_nam : float
        Of the seed, on the plateau; positive out of the cortex.
    region : str
        Atlas label of the seed.
    first, last : int
        Samples on the plateau, both inclusive.
    """

    dipole: int
    order: int
    moment_nam: float
    region: str
    first: int
    last: int


@dataclass(frozen=True)
class Session:
    """A simulated recording.

    Attributes
    ----------
    eeg_uv : ndarray of float32, shape (n_times, n_electrodes)
        Microvolts, average-referenced.
    sources : tuple of TrueSource
    sfreq_hz : float
    """

    eeg_uv: NDArray[np.float32]
    sources: tuple[TrueSource, ...]
    sfreq_hz: float


class Patches:
    """Patches of the paper's sizes, none of them on the medial wall.

    Parameters
    ----------
    head : Head

    Attributes
    ----------
    dipoles : ndarray of int, shape (n_on_cortex,)
        Where a patch can have its seed.
    """

    def __init__(self, head: Head) -> None:
        self.dipoles, triangles = cortex_only(head)
        self._lead_field = head.lead_field[:, self.dipoles]
        self._patches = {
            order: patch_dictionary(triangles, head.dipoles_m[self.dipoles], order)
            for order in range(ORDERS[0], ORDERS[1] + 1)
        }

    def topography_v(self, place: int, order: int, moment_nam: float) -> NDArray[np.float32]:
        """Return what the electrodes measure of a patch, shape (n_electrodes,).

        Parameters
        ----------
        place : int
            Of the seed among ``dipoles``.
        order : int
        moment_nam : float
            Of the seed.
        """
        patch = self._patches[order][[place]].toarray()[0]
        topography: NDArray[np.float32] = self._lead_field @ patch * moment_nam * 1e-9
        return topography


def check_session(seconds: float, sfreq_hz: float, seed: int) -> None:
    """Raise a ConfigError if the session would hold no source, or a value is out of range."""
    if not SOURCE_S <= seconds <= MAX_S:
        raise ConfigError(f"`seconds` is {seconds:g}: expected {SOURCE_S:g} to {MAX_S:g}")
    if not 50 <= sfreq_hz <= 5000:
        raise ConfigError(f"`sfreq_hz` is {sfreq_hz:g}: expected 50 to 5000")
    if seed < 0:
        raise ConfigError(f"`seed` is {seed}: expected 0 or more")


def simulate_session(
    head: Head, seconds: float, sfreq_hz: float, seed: int, signs: Signs = "random"
) -> Session:
    """Simulate sources that come on one after another all over the cortex, in background EEG.

    Each source is a patch of the paper's sizes and strengths (orders 2–5, 5–10 nAm); it rises
    for 0.1 s, stays for 0.3 s and falls for 0.1 s. None touches the medial wall.

    Parameters
    ----------
    head : Head
    seconds : float
        Length after a lead-in of two seconds without a source.
    sfreq_hz : float
    seed : int
        Sessions of one seed have the same sources and background, whatever the signs.
    signs : 'random' or 'positive'
        Of the sources: half of them point into the cortex, or all out of it, as in the paper.

    Raises
    ------
    ConfigError
        From `check_session`.
    """
    check_session(seconds, sfreq_hz, seed)
    rng = np.random.default_rng(seed)
    n_times = round((LEAD_IN_S + seconds) * sfreq_hz)
    patches = Patches(head)
    envelope = _envelope(sfreq_hz)
    ramp = round(RAMP_S * sfreq_hz)
    signal = np.zeros((n_times, head.n_electrodes), np.float32)
    sources = []
    peaks = []
    for start in range(round(LEAD_IN_S * sfreq_hz), n_times - envelope.size + 1, envelope.size):
        place = int(rng.integers(patches.dipoles.size))
        order = int(rng.integers(ORDERS[0], ORDERS[1] + 1))
        moment_nam = float(rng.uniform(*MOMENT_NAM))
        sign = int(rng.choice([-1, 1]))  # drawn in any case, so that all else stays the same
        if signs == "random":
            moment_nam *= sign
        topography = patches.topography_v(place, order, moment_nam)
        signal[start : start + envelope.size] = envelope[:, None] * topography
        dipole = int(patches.dipoles[place])
        region = head.atlas_names[head.atlas[dipole]]
        last = start + envelope.size - ramp - 1
        sources.append(TrueSource(dipole, order, moment_nam, region, start + ramp, last))
        peaks.append(np.abs(topography).max())
    eeg_uv = in_background(signal, peaks, head, sfreq_hz, rng)
    return Session(eeg_uv, tuple(sources), sfreq_hz)


def in_background(
    signal_v: NDArray[np.float32],
    peaks_v: Sequence[float],
    head: Head,
    sfreq_hz: float,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return a signal in background EEG, in microvolts.

    Parameters
    ----------
    signal_v : ndarray, shape (n_times, n_electrodes)
    peaks_v : sequence of float
        Of each source's topography; the median one has the simulator's SNR.
    head : Head
    sfreq_hz : float
    rng : Generator

    Returns
    -------
    eeg_uv : ndarray of float32, shape (n_times, n_electrodes)
    """
    background = background_eeg(head, len(signal_v), sfreq_hz, rng)
    # One noise level for the session, as in a recording; sources near the scalp stand out more.
    level = np.median(peaks_v) / SNR / background.std(axis=0).max()
    eeg_uv: NDArray[np.float32] = ((signal_v + background * level) * 1e6).astype(np.float32)
    return eeg_uv


def _envelope(sfreq_hz: float) -> NDArray[np.float32]:
    """Return rise, plateau and fall of a source, as raised cosines."""
    rise = (1 - np.cos(np.linspace(0, np.pi, round(RAMP_S * sfreq_hz)))) / 2
    plateau = np.ones(round(SOURCE_S * sfreq_hz) - 2 * rise.size)
    return np.concatenate([rise, plateau, rise[::-1]]).astype(np.float32)


def play_session(
    session: Session,
    head: Head,
    name: str,
    stop: Callable[[], bool] = lambda: False,
    on_status: Callable[[str], None] = lambda line: None,
    *,
    n_clients: int = 1,
    stay: bool = False,
) -> Played:
    """Stream a session as soon as so many clients listen, and its truth beside it.

    With ``stay`` the streams remain, silent, until stopped.

    The truth goes out as ``<name>-Truth``: when a source is fully on, a JSON string with its
    dipole, region and moment (signed) and the time stamps of its plateau's first and last sample;
    at the end ``{"end": …}`` with the number of samples and the stamps of the first and the last.
    """
    source_id = f"convdip-simulation-{name}"
    outlet = eeg_outlet(name, head.channels, session.sfreq_hz, source_id)
    truth = pylsl.StreamOutlet(truth_info(name, f"{source_id}-truth"))
    waiting = list(session.sources)

    def announce(n_sent: int, stamp: float) -> None:
        while waiting and waiting[0].first < n_sent:
            source = waiting.pop(0)
            first_stamp = stamp - (n_sent - 1 - source.first) / session.sfreq_hz
            last_stamp = first_stamp + (source.last - source.first) / session.sfreq_hz
            moment_nam = round(source.moment_nam, 3)
            message = PlayedSource(
                source.dipole, source.region, moment_nam, first_stamp, last_stamp
            )
            truth.push_sample([message.to_json()], first_stamp)
        if n_sent == len(session.eeg_uv):
            first_stamp = stamp - (n_sent - 1) / session.sfreq_hz
            end = {"n_samples": n_sent, "first_stamp": first_stamp, "last_stamp": stamp}
            truth.push_sample([json.dumps({"end": end})], stamp)

    played = play(
        outlet,
        session.eeg_uv,
        session.sfreq_hz,
        n_clients=n_clients,
        stop=stop,
        on_sample=announce,
        on_status=on_status,
    )
    while stay and not stop():
        time.sleep(POLL_S)
    return played
