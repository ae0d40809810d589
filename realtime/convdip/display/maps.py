"""Which map is shown, of a moment or of a rhythm, and on which scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.display.feed import Feed
from convdip.display.history import Shown
from convdip.display.limits import ColourLimit
from convdip.display.rhythm_history import SMOOTHED_S
from convdip.display.rhythm_limit import RhythmLimit
from convdip.display.spectrum import spectrum_of

Band = tuple[float, float]
Float = NDArray[np.float32]

HOLD_S = 1.0
# What the service's maps of a band look back.
WINDOW_S = 1.0
# Of the EEG before a moment, what its spectra are taken from.
SPECTRUM_S = 6.0
# What is shown first, where it can be.
FIRST_BAND = (8.0, 13.0)
NAMES = {(4.0, 8.0): "theta", (8.0, 13.0): "alpha, mu", (13.0, 30.0): "beta"}


def words_of(band_hz: Band | None) -> str:
    """Return what a map shows, in words: a band, or None for moments.

    Examples
    --------
    >>> words_of((8.0, 13.0))
    'alpha, mu: 8–13 Hz'
    >>> words_of((10.0, 12.0))
    '10–12 Hz'
    >>> words_of(None)
    'each moment'
    """
    if band_hz is None:
        return "each moment"
    edges = f"{band_hz[0]:g}–{band_hz[1]:g} Hz"
    return f"{NAMES[band_hz]}: {edges}" if band_hz in NAMES else edges


@dataclass(frozen=True)
class Map:
    """A map to draw.

    Attributes
    ----------
    values_nam : ndarray, shape (n_dipoles,)
        Moments, or root mean square moments.
    strength : ndarray, shape (n_dipoles,)
        As shares of the scale.
    is_signed : bool
        Whether the scale has a lower half, too, down to −limit.
    least, limit : float
        Beginning and end of the scale.
    unit : str
        Of the scale.
    words : str
        How its end was found; a line each.
    """

    values_nam: Float
    strength: Float
    is_signed: bool
    least: float
    limit: float
    unit: str
    words: str


class Maps:
    """Decides what is shown of a feed.

    Where EEG is ongoing, that is the power of a band; where it is simulated, or the service
    publishes no bands, each moment; or what the user has chosen.

    Parameters
    ----------
    feed : Feed

    Attributes
    ----------
    moments : ColourLimit
        The scale of moments.
    rhythm : RhythmLimit
        The scale of the band's power.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.moments, self.rhythm = ColourLimit(), RhythmLimit()
        self._is_chosen, self._chosen = False, FIRST_BAND

    @property
    def choices(self) -> tuple[Band | None, ...]:
        """What can be shown: each moment (None), and the bands that the service publishes."""
        return (None, *self._feed.power.bands)

    @property
    def band_hz(self) -> Band | None:
        """The band that is shown; None for each moment."""
        return self._feed.power.band_hz

    @property
    def window_s(self) -> float:
        """How long what is shown looks back; 0 for each moment."""
        return 0.0 if self.band_hz is None else WINDOW_S + SMOOTHED_S

    @property
    def limit(self) -> ColourLimit | RhythmLimit:
        """The scale of what is shown."""
        return self.moments if self.band_hz is None else self.rhythm

    def choose(self, band_hz: Band | None) -> None:
        """Show a band, or each moment, from now on."""
        self._is_chosen = True
        self._follow(band_hz)

    def restart(self) -> None:
        """Begin with another service: what shows its EEG best is found anew."""
        self._is_chosen = False
        for limit in (self.moments, self.rhythm):
            limit.restart()

    def update(self) -> None:
        """Choose where nobody has, and update the scales; call it once per frame while live."""
        if not self._is_chosen:
            self._follow(self._usual())
        if self.band_hz is None:
            self.moments.update(self._feed.sources)
        elif self.rhythm.is_due(self._feed.rhythm.newest_s):
            eeg_uv, _ = self._feed.eeg.between(self._feed.rhythm.newest_s - SPECTRUM_S, np.inf)
            spectrum = spectrum_of(eeg_uv, self._feed.sfreq_hz)
            self.rhythm.update(self._feed.rhythm, spectrum, self.band_hz)

    def _usual(self) -> Band | None:
        bands = self._feed.power.bands
        if self._feed.is_simulated or not bands:
            return None
        return FIRST_BAND if FIRST_BAND in bands else bands[0]

    def _follow(self, band_hz: Band | None) -> None:
        if band_hz != self._feed.power.band_hz:
            self._feed.follow_band(band_hz)
            self.rhythm.restart()

    def at(
        self,
        time_s: float,
        smooth_s: float = 0.0,
        *,
        is_held: bool = False,
        is_signed: bool = False,
    ) -> Map:
        """Return the map of a moment; nothing where there is none.

        Parameters
        ----------
        time_s : float
        smooth_s : float
            Average moments over this interval before.
        is_held : bool
            Let peaks of moments fade over a second.
        is_signed : bool
            Show moments with their signs.
        """
        limit = self.limit
        if isinstance(limit, RhythmLimit):
            shown = self._feed.rhythm.at(time_s)
            values_nam = self._values(shown)
            strength = np.zeros_like(values_nam) if shown is None else limit.strength(values_nam)
            is_signed, least = limit.is_signed, limit.least
        else:
            hold_s = HOLD_S if is_held else 0.0
            shown = self._feed.sources.at(time_s, smooth_s, hold_s, of_magnitudes=not is_signed)
            values_nam = self._values(shown)
            strength, least = limit.strength(values_nam, is_signed=is_signed), 0.0
        words = self._words(is_there=shown is not None)
        return Map(values_nam, strength, is_signed, least, limit.limit, limit.unit, words)

    def _values(self, shown: Shown | None) -> Float:
        if shown is not None:
            return shown.moments_nam
        assert self._feed.service is not None
        return np.zeros(self._feed.service.head.n_dipoles, np.float32)

    def _words(self, *, is_there: bool) -> str:
        limit = self.limit
        if not is_there and self.band_hz is not None:
            return "no second\nof EEG yet"
        if limit.baseline_end_s is not None:
            kept = self._feed.sources if self.band_hz is None else self._feed.rhythm
            return f"baseline\n{limit.baseline_end_s - kept.newest_s:.0f} s left"
        mode: str = limit.mode
        if isinstance(limit, RhythmLimit) and limit.mode == "rolling":
            mode = "over 1/f" if np.isfinite(limit.over_background) else "no EEG:\nrelative"
        return f"{mode}\nlocked" if limit.is_locked else mode
