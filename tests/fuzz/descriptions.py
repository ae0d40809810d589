"""What streams say of themselves, live and in files, as no honest sender would say it.

Nothing but a refusal is raised; what is read can be shown and published; and no line that is logged
or told meanwhile steers a terminal or looks like two.
"""

from __future__ import annotations

import ctypes
import logging
import os
import random
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pylsl
from convdip.bundle import load_bundle
from convdip.errors import ConvDipError
from convdip.live.montage import stream_montage
from convdip.live.topography import input_matrices
from convdip.sources.recordings import read_recording
from convdip.streams import (
    EventMessage,
    feedback_feature,
    quality_info,
    read_blocks,
    read_delays_s,
    read_eeg,
    read_sources,
)
from convdip.terminal import FlagsFormatter, in_a_line
from convdip.text import MOST_IN_A_LINE
from pylsl.lib import lib

from tests.fuzz import trees

TARGET, REFUSED = 100_000, (ConvDipError,)
# The largest take two seconds of a processor, most of it to be made; and leave behind some tens of
# megabytes in the allocator: of a leak of 1 kB each, it would be a hundred.
AT_MOST_S, MEMORY_MB, GROWTH_MB = 60.0, 2000.0, 80.0

# One network for one cap, one for any: channels of unknown names are placed for the second alone.
HEADS = [load_bundle(name).head for name in ("convdip-fsaverage31", "convdip-anycap")]
HARMFUL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
FILE = Path(tempfile.gettempdir()) / f"fuzz-{os.getpid()}.xdf"

warnings.simplefilter("error")
lib.lsl_streaminfo_from_xml.restype = ctypes.c_void_p


class _Lines(logging.Handler):
    """Keeps what is logged, as the command line shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(FlagsFormatter("%(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(self.format(record))


LINES = _Lines()
logging.getLogger("convdip").addHandler(LINES)
logging.getLogger("convdip").setLevel(logging.DEBUG)


def attempt(rng: random.Random) -> None:
    """Describe a stream, and read it as far as anything here would."""
    LINES.lines.clear()
    head = rng.choice(HEADS)
    n = rng.choice((1, 12, 12, 12, 19, 31, 64))
    names = head.channels if head.scalp is None else head.scalp.names
    desc = trees.description(rng, names, n)
    try:
        draw = rng.random()
        if draw < 0.05:
            _file(rng, desc, n)
        else:
            info = trees.as_outlet(rng, desc, n) if draw < 0.5 else _received(rng, desc, n)
            _live(rng, info, head)
    except ConvDipError as error:
        _harmless(in_a_line(error))
        raise
    finally:
        for line in LINES.lines:
            _harmless(line)


def _received(rng: random.Random, desc: trees.Node, n: int) -> pylsl.StreamInfo:
    """Return a stream as liblsl reads it from the network."""
    header = trees.as_header(rng, trees.as_xml(rng, desc), n).replace(b"\0", b"")
    return pylsl.StreamInfo(handle=lib.lsl_streaminfo_from_xml(header))


def _live(rng: random.Random, info: pylsl.StreamInfo, head: object) -> None:
    """Read a stream as service, check and display do."""
    sources, blocks = read_sources(info), read_blocks(info)
    for text in (*sources.provenance.electrodes, feedback_feature(info), *read_delays_s(info)):
        _harmless(text, most=100_000)
    for block in blocks:
        for text in (*block, *block.values()):
            _harmless(text)
    stream = read_eeg(info)
    for text in (*stream.labels, *stream.units, *stream.types):
        _harmless(text, most=220)
    marker = EventMessage("back", f"input {stream.name} is back", {"name": stream.name}).to_json()
    _harmless(marker, most=3 * MOST_IN_A_LINE)
    EventMessage.from_json(marker)
    quality_info("Lab", stream.name)
    unit = rng.choice((None, None, "microvolts"))
    montage = stream_montage(stream, head, unit=unit)  # type: ignore[arg-type]
    assert np.isfinite(montage.places_m).all()
    for text in (*montage.names, *montage.unused):
        _harmless(text, most=220)
    if rng.random() < 0.05:
        input_matrices(head, montage)  # type: ignore[arg-type]


def _file(rng: random.Random, desc: trees.Node, n: int) -> None:
    """Read a recording as replay and check do."""
    trees.write_xdf(FILE, trees.as_header(rng, trees.as_xml(rng, desc), n), n)
    try:
        raw = read_recording(FILE, rng.choice((None, "uV")))
    finally:
        FILE.unlink()
    for name in raw.ch_names:
        _harmless(name, most=250)


def _harmless(text: str, most: int = MOST_IN_A_LINE + 20) -> None:
    """Fail for what steers a terminal, looks like two lines, or is without end."""
    assert len(text) <= most, len(text)
    assert text.isprintable() or not any(unicodedata.category(c) in HARMFUL for c in text), text
