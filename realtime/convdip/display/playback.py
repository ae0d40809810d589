"""Which moment is shown: now, or one of the last half minute."""

from __future__ import annotations

SPEEDS = (0.05, 0.1, 0.25, 0.5, 1.0)


class Playback:
    """Pause, look back, play slowly.

    Attributes
    ----------
    is_paused : bool
    is_playing : bool
        In the past, at `speed`.
    speed : float
        Seconds of EEG a second.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self.is_playing = False
        self.speed = 0.25
        self._shown_s = 0.0
        self._looked_s: float | None = None

    def pause(self, newest_s: float) -> None:
        """Hold the picture at the newest sample."""
        self.is_paused, self.is_playing = True, False
        self._shown_s = newest_s

    def go_live(self) -> None:
        """Show what comes."""
        self.is_paused = self.is_playing = False

    def play(self, oldest_s: float, newest_s: float) -> None:
        """Play on from the moment shown, or from the beginning where it is the last one."""
        self.is_playing = not self.is_playing
        self._looked_s = None
        if self.is_playing and self._shown_s >= newest_s:
            self._shown_s = oldest_s

    def seek(self, time_s: float, oldest_s: float, newest_s: float) -> None:
        """Show a moment of the past."""
        self.is_playing = False
        self._shown_s = min(max(time_s, oldest_s), newest_s)

    def shown_s(self, newest_s: float, now_s: float) -> float:
        """Return the stamp of the moment to show at an LSL time."""
        if not self.is_paused:
            return newest_s
        if self.is_playing:
            if self._looked_s is not None:
                self._shown_s += (now_s - self._looked_s) * self.speed
            self._looked_s = now_s
            if self._shown_s >= newest_s:
                self._shown_s, self.is_playing = newest_s, False
        return self._shown_s
