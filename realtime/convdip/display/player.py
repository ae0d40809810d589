"""The window's playback: buttons, keys and slider move through the feed's history."""

from __future__ import annotations

import numpy as np
import pylsl

from convdip.display.controls import Controls
from convdip.display.feed import Feed
from convdip.display.playback import Playback


class Player:
    """Pauses, steps and plays what the feed keeps, and shows on the controls where it is.

    Parameters
    ----------
    feed : Feed
        Held while paused: what the user looks at must not be overwritten.
    controls : Controls

    Attributes
    ----------
    playback : Playback
    """

    def __init__(self, feed: Feed, controls: Controls) -> None:
        self.playback = Playback()
        self._feed, self._controls = feed, controls
        controls.pause.clicked.connect(self.toggle_pause)
        controls.play.clicked.connect(self.toggle_play)
        controls.slid.connect(self.slide)
        self._show_state()

    @property
    def is_paused(self) -> bool:
        """Whether the past is shown."""
        return self.playback.is_paused

    def toggle_pause(self) -> None:
        """Pause, or go live again; nothing before the first sample."""
        if self._feed.service is None or self._feed.sources.at(np.inf) is None:
            return
        if self.playback.is_paused:
            self.playback.go_live()
            self._feed.release()
        else:
            self.playback.pause(self._feed.sources.newest_s)
            self._feed.hold()
        self._show_state()

    def toggle_play(self) -> None:
        """Play from the moment shown, or hold it; only while paused."""
        if self.playback.is_paused:
            self.playback.play(self._feed.sources.oldest_s, self._feed.sources.newest_s)
            self._show_state()

    def step(self, by_s: float) -> None:
        """Move by some seconds; only while paused."""
        if self.playback.is_paused:
            shown_s = self.playback.shown_s(self._feed.sources.newest_s, pylsl.local_clock())
            self._seek(shown_s + by_s)

    def slide(self, share: float) -> None:
        """Go to a share of the history, 0 to 1."""
        kept = self._feed.sources
        self._seek(kept.oldest_s + share * (kept.newest_s - kept.oldest_s))

    def _seek(self, time_s: float) -> None:
        self.playback.seek(time_s, self._feed.sources.oldest_s, self._feed.sources.newest_s)
        self._show_state()

    def restart(self) -> None:
        """Go live if the feed has begun a new history, in which there is no past to look at."""
        if self.playback.is_paused and not self._feed.is_held:
            self.playback.go_live()
            self._show_state()

    def time_s(self, now_s: float) -> float:
        """Return the time stamp of the moment to show at an LSL time."""
        was_playing = self.playback.is_playing
        time_s = self.playback.shown_s(self._feed.sources.newest_s, now_s)
        if was_playing != self.playback.is_playing:
            self._show_state()
        return time_s

    def show_time(self, time_s: float, now_s: float, *, is_stale: bool) -> None:
        """Show on the controls which moment is shown.

        Parameters
        ----------
        time_s, now_s : float
            Time stamp shown, and LSL time.
        is_stale : bool
            What is shown is not the present, though not paused either.
        """
        kept = self._feed.sources
        span_s = kept.newest_s - kept.oldest_s
        share = 1 - (kept.newest_s - time_s) / span_s if span_s > 0 else 1.0
        is_now = not self.playback.is_paused and not is_stale
        age_s = now_s - time_s
        past = f"{age_s:.2f} s ago" if np.isfinite(age_s) else "–"
        self._controls.show_moment("now" if is_now else past, share)

    def _show_state(self) -> None:
        self._controls.show_playback(
            is_paused=self.playback.is_paused, is_playing=self.playback.is_playing
        )
