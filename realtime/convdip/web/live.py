"""What is to be seen now of a service: read thirty times a second, the same for every page."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from convdip.display.cortex import THRESHOLD
from convdip.display.feed import Feed
from convdip.display.freshness import STALE_S, Freshness, stale_after_s
from convdip.display.history import Ring, thinned
from convdip.display.maps import Map, Maps, words_of
from convdip.display.outline import Outline
from convdip.display.participant.feed import FeedbackFeed
from convdip.display.readings import (
    RANKED_S,
    SYMBOLS,
    TILES,
    health_numbers,
    state_of,
    strongest_regions,
)
from convdip.feedback.features import Suspended
from convdip.streams import SOURCES_TYPE, stream_name
from convdip.text import listed
from convdip.web.messages import finite, head_message, map_message

SPAN_S = 10.0
N_DRAWN = 250
N_NEWS = 4


@dataclass(frozen=True)
class Seen:
    """What is to be seen at a moment.

    Attributes
    ----------
    number : int
        Counts the moments.
    head : str
        Message with the head; empty before the first service.
    map : Map or None
        None before the first service.
    stamp : float
        Of the map.
    message : bytes
        With the map; empty before the first.
    is_grey : bool
        It is not of the present.
    now : dict
        State, scale and feedback.
    """

    number: int = 0
    head: str = ""
    map: Map | None = None
    stamp: float = -np.inf
    message: bytes = b""
    is_grey: bool = True
    now: dict[str, Any] | None = None


class Live:
    """Reads a service.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is.
    model : str or None
        Bundle with the head model; None: the shipped one that the stream names.

    Attributes
    ----------
    feed : Feed
    maps : Maps
    seen : Seen
    """

    def __init__(self, name: str | None = None, model: str | None = None) -> None:
        self.feed, self.seen = Feed(name, model), Seen()
        self.maps = Maps(self.feed)
        self._feedback: FeedbackFeed | None = None
        self._news: deque[str] = deque(maxlen=N_NEWS)
        self._head = ""

    def poll(self, now_s: float) -> None:
        """Read all that has come by an LSL time, and see."""
        feed, before = self.feed, self.seen
        if feed.poll(now_s):
            assert feed.service is not None
            head = feed.service.head
            self._head = head_message(feed.service)
            self._soften = Outline(head.triangles, head.n_dipoles)
            self.maps.restart()
        if self._feedback is None and feed.name:
            self._feedback = FeedbackFeed(feed.name)
        if self._feedback is not None:
            self._feedback.poll(now_s)
        self._news.extend(feed.take_news())
        fresh, quality = self._looking(), feed.quality(now_s)
        shown, stamp = self._newest_map()
        if feed.service is not None:
            fresh = feed.freshness(now_s)
        word, extra = state_of(fresh, quality)
        now: dict[str, Any] = {
            "number": before.number + 1,
            "name": feed.name,
            "stale_s": STALE_S if feed.service is None else stale_after_s(feed.sfreq_hz),
            "state": {
                "symbol": SYMBOLS[word],
                "word": word,
                "extra": extra,
                "text": fresh.text,
                "is_grey": fresh.is_stale,
            },
            "feedback": self._feedback_now(now_s),
        }
        message = b""
        if shown is not None:
            truth, choices = feed.truth_at(stamp), self.maps.choices
            now |= {
                "age_s": finite(now_s - stamp),
                "views": [words_of(band) for band in choices],
                "view": choices.index(self.maps.band_hz) if self.maps.band_hz in choices else None,
                "scale": {
                    "least": shown.least,
                    "limit": shown.limit,
                    "unit": shown.unit,
                    "words": shown.words,
                    "is_signed": shown.is_signed and self.maps.band_hz is not None,
                    "of_moments": self.maps.band_hz is None,
                },
                "truth": None if truth is None else truth.dipole,
            }
            message = before.message
            is_other = before.map is None or len(before.map.strength) != len(shown.strength)
            if is_other or stamp != before.stamp:
                # Below its beginning, a scale without signs has nothing to draw.
                lowest = -1.0 if shown.is_signed else 0.0
                drawn = self._soften(np.maximum(shown.strength, lowest), THRESHOLD)
                message = map_message(before.number + 1, stamp, drawn)
        self.seen = Seen(before.number + 1, self._head, shown, stamp, message, fresh.is_stale, now)

    def _newest_map(self) -> tuple[Map | None, float]:
        """Return the newest map, moments with their signs, and its stamp; None for none yet."""
        feed, maps = self.feed, self.maps
        if feed.service is None or not np.isfinite(feed.sources.newest_s):
            return None, -np.inf
        maps.update()
        stamp = newest_s = feed.sources.newest_s
        if maps.band_hz is not None and np.isfinite(feed.rhythm.newest_s):
            stamp = feed.rhythm.newest_s
        return maps.at(newest_s, is_signed=True), stamp

    def _looking(self) -> Freshness:
        """Say what is looked for, and what is there in its place."""
        feed = self.feed
        if feed.refusal:
            return Freshness("LOST", feed.refusal, True)
        there = sorted({s.name() for s in feed.on_network() if s.type() == SOURCES_TYPE})
        others = f"; there are {listed(there)}" if there else ""
        if feed.name:
            wanted = stream_name(feed.name, "Sources")
            if wanted in there:
                return Freshness("WAITING", f"connecting to {wanted}", True)
            text = f"no stream {wanted}: is convdip run --name {feed.name} running?{others}"
        elif len(there) > 1:
            text = f"several services{others}: start convdip web with --name"
        else:
            text = f"no service on the network: start convdip run{others}"
        return Freshness("WAITING", text, True)

    def _feedback_now(self, now_s: float) -> dict[str, Any] | None:
        """Return the feedback; None where there is none."""
        sitting = None if self._feedback is None else self._feedback.sitting
        if sitting is None or not sitting.newest:
            return None
        row, is_fresh, block = sitting.newest, sitting.is_fresh(now_s), sitting.block
        reason = int(row["reason"])
        is_known = 0 <= reason < len(Suspended)
        why = str(list(Suspended)[reason]) if is_known else f"reason {reason}"
        is_valid = is_fresh and bool(row["valid"])
        return {
            "value": finite(row["value"]) if is_valid else None,
            "threshold": finite(row["threshold"]),
            "is_above": is_valid and bool(row["above"]),
            "why": "" if is_valid else why if is_fresh else "no feedback comes",
            "block": "" if block is None else block.name or block.kind,
            "left_s": finite(sitting.left_s or np.nan, 1) if is_fresh else None,
            "score": None if sitting.score is None else finite(sitting.score),
        }

    def panels(self, age_s: float, now_s: float) -> dict[str, Any]:
        """Return what is read, not watched: health, regions, events.

        Parameters
        ----------
        age_s : float
            Of what the page drew last.
        now_s : float
        """
        feed, seen = self.feed, self.seen
        if feed.service is None or seen.map is None:
            return {"tiles": {}, "what": "", "regions": [], "news": list(self._news)}
        numbers = health_numbers(
            age_s,
            feed.quality(now_s),
            feed.service,
            feed.n_missing,
            self.maps.window_s,
            feed.power.delay_s,
        )
        lately, _ = self._regions.between(feed.sources.newest_s - RANKED_S, np.inf)
        names, strongest = feed.service.head.atlas_names, []
        if len(lately):
            strongest = strongest_regions(names, np.nan_to_num(lately).mean(axis=0))
        return {
            "tiles": {TILES[key]: text for key, text in numbers.items()},
            "what": self._what,
            "regions": [[name, finite(value)] for name, value in strongest],
            "full_nam": self.maps.limit.limit_nam,
            "news": list(self._news),
        }

    def course(self, region: int | None, now_s: float) -> dict[str, Any] | None:
        """Return the mean of a region over the last 10 s, of what is shown; None for no region."""
        feed, seen = self.feed, self.seen
        if region is None or seen.map is None or feed.service is None:
            return None
        if region >= len(feed.service.head.atlas_names):
            return None
        end_s = feed.sources.newest_s if seen.is_grey else now_s
        means, stamps = self._regions.between(end_s - SPAN_S, end_s)
        values, at = np.zeros(0, np.float32), stamps[:0]
        if len(stamps):
            values, at = thinned(means[:, region], stamps, N_DRAWN)
        return {
            "region": region,
            "before_s": [finite(second, 3) for second in (end_s - at).tolist()],
            "means_nam": [finite(value) for value in values.tolist()],
        }

    @property
    def _regions(self) -> Ring:
        """Means of regions of what is shown."""
        return self.feed.regions if self.maps.band_hz is None else self.feed.rhythm.regions

    @property
    def _what(self) -> str:
        band_hz = self.maps.band_hz
        return "mean |moment|" if band_hz is None else f"{band_hz[0]:g}–{band_hz[1]:g} Hz"

    def show(self, view: int | None) -> None:
        """Show another map on all pages, by its number among the choices; none for a wrong one."""
        choices = self.maps.choices
        if self.feed.service is not None and view is not None and view < len(choices):
            self.maps.choose(choices[view])

    def moment(self, dipole: int | None) -> dict[str, Any] | None:
        """Return the moment of a dipole of the map; None for no dipole."""
        shown = self.seen.map
        if dipole is None or shown is None or dipole >= len(shown.values_nam):
            return None
        unit = "nAm" if self.maps.band_hz is None else "nAm RMS"
        value = finite(float(shown.values_nam[dipole]))
        return {"dipole": dipole, "value": value, "unit": unit}

    def close(self) -> None:
        """Let the streams go."""
        if self._feedback is not None:
            self._feedback.close()
