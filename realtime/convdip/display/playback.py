"""Which moment is shown: the present, or one of the last 30 s."""

from __future__ import annotations

SPEEDS = (0.05, 0.1, 0.25, 0.5, 1.0)


class Playback:
    """Live, paused, or playing the past.

    Attributes
    ----------
    is_paused : bool
    is_playing : bool
        While paused: the past is played at `speed`.
    speed : float
        Seconds of EEG per second.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self.is_playing = False
        self.speed = 0.25
        self._shown_s = 0.0
        self._looked_s: float | None = None

    def pause(self, newest_s: float) -> None:
        """Pause at the newest sample."""
        self.is_paused, self.is_playing = True, False
        self._shown_s = newest_s

    def go_live(self) -> None:
        """Show the present."""
        self.is_paused = self.is_playing = False

    def play(self, oldest_s: float, newest_s: float) -> None:
        """Play from the moment shown, from the start if that is the end; or hold."""
        self.is_playing = not self.is_playing
        self._looked_s = None
        if self.is_playing and self._shown_s >= newest_s:
            self._shown_s = oldest_s

    def seek(self, time_s: float, oldest_s: float, newest_s: float) -> None:
        """Show a moment of the past, clipped to what is kept."""
        self.is_playing = False
        self._shown_s = min(max(time_s, oldest_s), newest_s)

    def shown_s(self, newest_s: float, now_s: float) -> float:
        """Return the time stamp of the moment to show at an LSL time."""
        if not self.is_paused:
            return newest_s
        if self.is_playing:
            if self._looked_s is not None:
                self._shown_s += (now_s - self._looked_s) * self.speed
            self._looked_s = now_s
            if self._shown_s >= newest_s:
                self._shown_s, self.is_playing = newest_s, False
        return self._shown_s
