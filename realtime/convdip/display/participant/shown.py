"""When the participant saw which value: published, and summed up."""

from __future__ import annotations

import math
from typing import Any

import pylsl

from convdip.display.timing import Timing
from convdip.streams import shown_info


class Shown:
    """The stream ``<name>-Shown`` and its statistics.

    Parameters
    ----------
    scene : str
        What follows the value.
    """

    def __init__(self, scene: str) -> None:
        self._scene = scene
        self._timing = Timing()
        self._outlet: pylsl.StreamOutlet | None = None

    def open(self, name: str) -> None:
        """Publish from now on, beside the streams of a service."""
        if self._outlet is None:
            self._outlet = pylsl.StreamOutlet(shown_info(name, self._scene))

    def add(
        self, start_s: float, end_s: float, stamp: float, value: float | None, drawn: float | None
    ) -> None:
        """Take a frame into account.

        Parameters
        ----------
        start_s, end_s : float
            LSL times of its beginning, and of when it was handed to the screen.
        stamp : float
            Of the value.
        value, drawn : float or None
            What the service said, and where the scene stood; None where no value was shown.
        """
        is_shown = value is not None and drawn is not None
        row = [stamp, value, drawn, end_s - stamp] if is_shown else [math.nan] * 4
        self._timing.add(start_s, end_s, stamp if is_shown else math.nan, is_stale=not is_shown)
        if self._outlet is not None:
            self._outlet.push_sample(row, end_s)

    def summary(self) -> dict[str, Any]:
        """Return rates and times of the latest frames as JSON values; None for none yet."""
        of_frames = self._timing.summary()
        return {
            "frames": of_frames["frames"],
            "frames_without_value": of_frames["stale_frames"],
            "fps": of_frames["fps"],
            "frame_ms": of_frames["frame_ms"],
            "value_to_screen_ms": of_frames["picture_age_ms"],
        }
