"""The power of bands that a service publishes, of which one is followed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.display.follower import Follower, Wanted
from convdip.errors import StreamError
from convdip.streams import POWER_TYPE, band_of, power_name, read_sources

Band = tuple[float, float]


class PowerFeed:
    """Finds the bands of a service, and reads the power of one.

    Attributes
    ----------
    bands : tuple of (float, float)
        Edges in Hz, the lowest band first.
    band_hz : (float, float) or None
        The one that is followed.
    """

    def __init__(self) -> None:
        self.bands: tuple[Band, ...] = ()
        self.band_hz: Band | None = None
        self._follower: Follower | None = None

    @property
    def delay_s(self) -> float:
        """What the filters of the band that is followed add; NaN where there is none."""
        if self._follower is None or not self._follower.is_open:
            return float("nan")
        return float(self._follower.facts)

    def choose(self, name: str, host: str, band_hz: Band | None, n_dipoles: int = 0) -> None:
        """Follow a band of a service, or none.

        Parameters
        ----------
        name : str
            Stem of the service's streams.
        host : str
            Its computer; empty for any.
        band_hz : (float, float) or None
        n_dipoles : int
            Of its sources.
        """
        if self._follower is not None:
            self._follower.close()
        self._follower, self.band_hz = None, band_hz
        if band_hz is None:
            return

        def understand(info: pylsl.StreamInfo) -> float:
            if info.channel_count() != n_dipoles:
                raise StreamError(
                    f"{info.name()} has {info.channel_count()} channels: expected {n_dipoles}, as "
                    "its sources have"
                )
            return read_sources(info).provenance.filter_delay_s

        wanted = Wanted(power_name(name, band_hz), hostname=host)
        self._follower = Follower(wanted, understand=understand)

    def follow(self, name: str, host: str, there: Sequence[pylsl.StreamInfo], now_s: float) -> None:
        """Find a service's bands among the streams that are there, and open the one followed."""
        named = (
            band_of(stream.name(), name)
            for stream in there
            if stream.type() == POWER_TYPE and host in ("", stream.hostname())
        )
        self.bands = tuple(sorted({band for band in named if band is not None}))
        if self._follower is not None:
            self._follower.follow(there, now_s)

    def read(self, now_s: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return maps that have come, shape (n_maps, n_dipoles), in nAm, and their stamps."""
        if self._follower is None:
            return np.empty((0, 0), np.float32), np.empty(0)
        return self._follower.read_numbers(now_s)

    def leave(self) -> None:
        """Let the service go."""
        self.choose("", "", None)
        self.bands = ()
