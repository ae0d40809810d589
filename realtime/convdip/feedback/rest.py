"""What features are at rest: their middle and spread, and where a value lies among them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.files import TEXT_BYTES, parse_json, read_file

Float = NDArray[np.float64]
Scale = Literal["log", "linear"]

SHORTEST_S = 5.0
# Of a Gaussian, the median absolute deviation times this is the standard deviation.
OF_GAUSSIAN = 1.4826
# A median that steps towards each value by so much of the spread, times what share of the time
# constant a sample is, approaches a Gaussian's with that time constant: 1 / 2φ(0). The logarithm of
# the spread, towards each deviation: 1 / 4qφ(q), q being .6745.
STEP = 1.2533, 1.1664
TINY = 1e-30


class Rest:
    """Gathers features at rest, then says how far from rest they are.

    Middle and spread are median and median absolute deviation: what happens now and then at rest
    changes neither.

    Parameters
    ----------
    scales : sequence of {'log', 'linear'}
        Whether a feature is compared by its logarithm, as power and amplitude should be.
    n_samples : int, optional
        How many are gathered; without it, as many as there are until `finish`.

    Attributes
    ----------
    n_seen : int
        Samples so far.
    is_complete : bool
    median, spread : ndarray, shape (n_features,)
        Once complete; the spread as a standard deviation.
    """

    def __init__(self, scales: Sequence[Scale], n_samples: int | None = None) -> None:
        self._is_log = np.array([scale == "log" for scale in scales])
        self._n_samples, self._seen = n_samples, list[Float]()
        self.n_seen, self.is_complete = 0, False
        self.median = self.spread = np.full(len(scales), np.nan)

    def add(self, values: Float) -> None:
        """Add features of samples, shape (n_times, n_features); rows with NaN do not count."""
        if self.is_complete:
            return
        rows = self._scaled(values[np.isfinite(values).all(axis=1)])
        if self._n_samples is not None:
            rows = rows[: self._n_samples - self.n_seen]
        self._seen.append(rows)
        self.n_seen += len(rows)
        if self.n_seen == self._n_samples:
            self.finish()

    def finish(self) -> None:
        """Take what was seen for all there is; at least one sample."""
        seen = np.concatenate(self._seen)
        self._seen.clear()
        self.median = np.median(seen, axis=0)
        self.spread = OF_GAUSSIAN * np.median(np.abs(seen - self.median), axis=0) + TINY
        self.is_complete = True

    def follow(self, values: Float, share: float) -> None:
        """Let middle and spread follow features, shape (n_times, n_features).

        Parameters
        ----------
        values : ndarray
            Rows with NaN change nothing.
        share : float
            The time between samples over the time constant.
        """
        for row in self._scaled(values[np.isfinite(values).all(axis=1)]):
            away = row - self.median
            self.median = self.median + STEP[0] * share * self.spread * np.sign(away)
            is_outside = np.sign(np.abs(away) * OF_GAUSSIAN - self.spread)
            self.spread = self.spread * (1 + STEP[1] * share * is_outside)

    def z(self, values: Float) -> Float:
        """Return how many standard deviations above rest features are; NaN until complete."""
        return np.asarray((self._scaled(values) - self.median) / self.spread)

    def save(self, path: Path, of: str) -> None:
        """Write what is known, and what it is of."""
        said = {"of": of, "median": self.median.tolist(), "spread": self.spread.tolist()}
        path.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")

    def load(self, path: Path, of: str) -> None:
        """Take what was written before.

        Raises
        ------
        ConfigError
            If the file is none, or of something else.
        """
        try:
            said = parse_json(read_file(path, TEXT_BYTES))
            median, spread = (np.array(said[name], float) for name in ("median", "spread"))
            was = str(said["of"])
        except OSError as error:
            raise ConfigError(f"the baseline {path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, OverflowError):
            raise ConfigError(
                f"{path} is no baseline: expected a file that `rest` wrote; name another"
            ) from None
        if was != of:
            raise ConfigError(f"the baseline {path} is of {was[:300]}: expected {of}")
        shape = self.median.shape
        if not (median.shape == spread.shape == shape and np.isfinite([median, spread]).all()):
            raise ConfigError(f"the baseline {path} is damaged: gather it anew")
        if not (spread > 0).all():
            raise ConfigError(f"the baseline {path} has no spread: gather it anew")
        self.median, self.spread, self.is_complete = median, spread, True

    def _scaled(self, values: Float) -> Float:
        return np.where(self._is_log, np.log(np.maximum(values, TINY)), values)


def n_rest(seconds: float, sfreq_hz: float) -> int:
    """Return the samples of a baseline.

    Raises
    ------
    ConfigError
        If it is too short to say anything.
    """
    if not seconds >= SHORTEST_S:
        raise ConfigError(
            f"`baseline` is {seconds:g} s: expected {SHORTEST_S:g} s or more of EEG at rest"
        )
    return round(seconds * sfreq_hz)
