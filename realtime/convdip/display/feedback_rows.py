"""What a service feeds back: its value and threshold, and its z."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.display.follower import Follower, Wanted
from convdip.errors import StreamError
from convdip.streams import FEEDBACK, feedback_feature, stream_name

Float = NDArray[np.float32]


class FeedbackRows:
    """Reads ``NAME-Feedback``, and from ``NAME-Features`` the z of what is fed back.

    Attributes
    ----------
    feature : str
        What is fed back; empty while nothing is.
    """

    def __init__(self) -> None:
        self._stem: tuple[str, str] | None = None
        self._feedback: Follower | None = None
        self._features: Follower | None = None

    @property
    def feature(self) -> str:
        """What is fed back; empty while nothing is."""
        is_open = self._feedback is not None and self._feedback.is_open
        return str(self._feedback.facts) if is_open and self._feedback is not None else ""

    def follow(self, name: str, host: str, there: Sequence[pylsl.StreamInfo], now_s: float) -> None:
        """Open the streams of a service where they are among those there."""
        if self._stem != (name, host):
            self.close()
            self._stem = name, host
            self._feedback = Follower(
                Wanted(stream_name(name, "Feedback"), hostname=host), 256, _feature
            )
            self._features = Follower(
                Wanted(stream_name(name, "Features"), hostname=host), 256, _labels
            )
        assert self._feedback is not None
        assert self._features is not None
        self._feedback.follow(there, now_s)
        self._features.follow(there, now_s)

    def read(self, now_s: float) -> tuple[Float, NDArray[np.float64]]:
        """Return what has come of the feedback.

        Returns
        -------
        rows : ndarray, shape (n_times, 2)
            Value, NaN where there is none, and threshold.
        stamps : ndarray, shape (n_times,)
        """
        if self._feedback is None:
            return np.empty((0, 2), np.float32), np.empty(0)
        samples, stamps = self._feedback.read_numbers(now_s)
        if not len(stamps):
            return np.empty((0, 2), np.float32), stamps
        value, valid, threshold = (
            samples[:, list(FEEDBACK).index(label)] for label in ("value", "valid", "threshold")
        )
        return np.stack([np.where(valid > 0, value, np.nan), threshold], axis=1), stamps

    def read_z(self, now_s: float) -> tuple[Float, NDArray[np.float64]]:
        """Return what has come of its z, shape (n_times, 1), and stamps.

        Another stream, whose stamps may differ by what LSL's clocks do.
        """
        nothing = np.empty((0, 1), np.float32), np.empty(0)
        if self._features is None:
            return nothing
        samples, stamps = self._features.read_numbers(now_s)
        label = f"{self.feature}_z"
        if not len(stamps) or label not in self._features.facts:
            return nothing
        return samples[:, [self._features.facts.index(label)]], stamps

    def close(self) -> None:
        """Let the streams go."""
        for follower in (self._feedback, self._features):
            if follower is not None:
                follower.close()


def _feature(info: pylsl.StreamInfo) -> str:
    """Return what a stream feeds back."""
    if info.channel_count() < len(FEEDBACK):
        raise StreamError(
            f"{info.name()} has {info.channel_count()} channels: expected {len(FEEDBACK)}, of the "
            "feedback of convdip run"
        )
    return feedback_feature(info)


def _labels(info: pylsl.StreamInfo) -> list[str]:
    """Return what the channels are called."""
    return [label or "" for label in info.get_channel_labels() or []]
