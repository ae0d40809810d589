"""Sham feedback: what another session measured, in place of the person's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError

Float = NDArray[np.float64]

TABLE = "feedback.tsv"
SHORTEST_S = 5.0
RATES_EQUAL = 0.01


class Sham:
    """Replays a record's course, at the speed at which it was recorded.

    Only what was fed back there is replayed, without its pauses; after its end it begins anew.

    Parameters
    ----------
    path : Path
        A session's folder, or the table in it.
    sfreq_hz : float
        Of this session.

    Raises
    ------
    ConfigError
        If there is no such record, it holds too little, or is of another sampling rate.
    """

    def __init__(self, path: Path, sfreq_hz: float) -> None:
        self._z, self._next = _fed_back(path, sfreq_hz), 0

    def __call__(self, own: Float) -> Float:
        """Return what is fed back in place of a person's own, shape (n_times,); NaN where it is."""
        is_there = np.isfinite(own)
        n = int(np.count_nonzero(is_there))
        replayed = np.full_like(own, np.nan)
        replayed[is_there] = self._z[(self._next + np.arange(n)) % len(self._z)]
        self._next = (self._next + n) % len(self._z)
        return replayed


def _fed_back(path: Path, sfreq_hz: float) -> Float:
    """Return the z-scores of a record's samples that were fed back."""
    table = path / TABLE if path.is_dir() else path
    try:
        with table.open(encoding="utf-8") as lines:
            names = lines.readline().rstrip("\n").split("\t")
            columns = [names.index(name) for name in ("stamp", "z", "valid")]
            rows = np.loadtxt(lines, delimiter="\t", usecols=columns, ndmin=2)
    except OSError as error:
        raise ConfigError(f"no record at {table}: {error.strerror}") from None
    except ValueError:
        raise ConfigError(f"{table} is no record: expected one that `record` wrote") from None
    stamps, z, is_valid = rows.T
    z = np.asarray(z[(is_valid == 1) & np.isfinite(z)])
    if len(z) < SHORTEST_S * sfreq_hz:
        raise ConfigError(
            f"the record {table} has {len(z) / sfreq_hz:.3g} s of feedback: expected "
            f"{SHORTEST_S:g} s or more"
        )
    rate_hz = 1 / float(np.median(np.diff(stamps)))
    if abs(rate_hz / sfreq_hz - 1) > RATES_EQUAL:
        raise ConfigError(
            f"the record {table} is of {rate_hz:.4g} Hz: expected that of the EEG, {sfreq_hz:g} Hz"
        )
    return z
