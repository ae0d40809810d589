"""Which marker streams on the network go with a recording, and what they say."""

from __future__ import annotations

from collections.abc import Sequence

import pylsl

from convdip.display.follower import Follower, Wanted
from convdip.display.marks import Mark, Marks
from convdip.streams import Provenance, stream_name
from convdip.text import one_line

MARKERS_TYPE = "Markers"
MOST_STREAMS = 4
SHORT = 40


def belonging(
    there: Sequence[pylsl.StreamInfo], provenance: Provenance, name: str
) -> list[pylsl.StreamInfo]:
    """Return the marker streams that belong to a service's EEG, the nearest first.

    Those are all with text, as they are for a protocol that waits for markers, since a stimulus
    may come from another computer than the EEG. Left out are what services and simulators say of
    themselves, and streams that are called after another EEG stream. The nearest is the one that
    is called after this EEG, then come those of its computer.

    Parameters
    ----------
    there : sequence of pylsl.StreamInfo
        All streams on the network.
    provenance : Provenance
    name : str
        Stem of the service's streams.
    """
    own = stream_name(provenance.input_name, "Markers")
    others = {stream_name(s.name(), "Markers") for s in there if s.type().lower() == "eeg"} - {own}
    said = {stream_name(name, "Events"), stream_name(provenance.input_name, "Truth")}
    found = [
        stream
        for stream in there
        if stream.type() == MARKERS_TYPE
        and stream.channel_format() == pylsl.cf_string
        and stream.name() not in others | said
        and not _is_of_convdip(stream)
    ]
    return sorted(
        found,
        key=lambda s: (
            s.name() != own,
            s.hostname() != provenance.input_hostname,
            s.name(),
            s.source_id(),
        ),
    )


def _is_of_convdip(stream: pylsl.StreamInfo) -> bool:
    """Whether it is the events of a service, or the truth of a simulation."""
    source_id, name = str(stream.source_id()), str(stream.name())
    ends = (stream_name("", "Events"), stream_name("", "Truth"))
    return source_id.startswith("convdip-") and name.endswith(ends)


class MarkerStreams:
    """Follows the markers of a recording, four streams at most.

    Attributes
    ----------
    n_left_out : int
        How many more there are.
    """

    def __init__(self) -> None:
        self._followers: dict[Wanted, Follower] = {}
        self._misplaced: set[Wanted] = set()
        self.n_left_out = 0

    def follow(
        self, there: Sequence[pylsl.StreamInfo], provenance: Provenance, name: str, now_s: float
    ) -> None:
        """Open the streams that are there and belong to the recording, at an LSL time."""
        belong = [
            Wanted(stream.name(), stream.source_id(), stream.hostname())
            for stream in belonging(there, provenance, name)
        ]
        chosen, left_out = belong[:MOST_STREAMS], belong[MOST_STREAMS:]
        self.n_left_out = len(left_out)
        for wanted, follower in list(self._followers.items()):
            # One that is open may be missing from the list for a while.
            is_needless = wanted in left_out or not follower.is_open
            if wanted not in chosen and (is_needless or len(chosen) == MOST_STREAMS):
                follower.close()
                del self._followers[wanted]
                self._misplaced.discard(wanted)
        for wanted in chosen:
            self._followers.setdefault(wanted, Follower(wanted))
        for follower in self._followers.values():
            follower.follow(there, now_s)

    def read(self, marks: Marks, now_s: float) -> None:
        """Add what has come to the marks."""
        for wanted, follower in self._followers.items():
            name = one_line(wanted.name)
            for text, stamp in follower.read_texts(now_s):
                if text.strip() and not marks.add(Mark(stamp, one_line(text), name), now_s):
                    self._misplaced.add(wanted)

    @property
    def words(self) -> str:
        """Say which streams are drawn."""
        names = [
            f"{one_line(wanted.name)[:SHORT]}"
            + (
                " (stamps that are not LSL's time are left out)"
                if wanted in self._misplaced
                else ""
            )
            for wanted in self._followers
        ]
        more = f", and not {self.n_left_out} more" if self.n_left_out else ""
        return f"markers of {', '.join(names)}{more}" if names else "no marker streams"

    def close(self) -> None:
        """Let all streams go."""
        for follower in self._followers.values():
            follower.close()
        self._followers, self._misplaced = {}, set()
