"""Step 6: publish source estimates over LSL, fully described."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pylsl

from convdip.bundle import Bundle
from convdip.live.frame import SourceFrame
from convdip.live.inlet import StreamDescription
from convdip.live.montage import Montage
from convdip.live.network import Network

TO_NAM = np.float32(1e9)
# What is kept for a client that does not read: 5,124 channels at 500 Hz are 10 MB a second.
BUFFER_S = 2
SOURCES_TYPE = "SourceEstimate"


def sources_stream_name(name: str) -> str:
    """Return the name of the stream that carries every dipole."""
    return f"{name}-Sources"


@dataclass(frozen=True)
class Provenance:
    """Where the published estimates come from.

    ``unit`` is what the input's unit was said to be, where it was not read from the stream.
    """

    stream: StreamDescription
    montage: Montage
    bundle: Bundle
    network: Network
    unit: str | None = None


class SourceOutlet:
    """The stream ``<name>-Sources``: 5,124 dipole moments in nAm a sample.

    Each sample carries the time stamp of the EEG sample it was computed from.

    Parameters
    ----------
    name : str
        Stem of the stream's name.
    provenance : Provenance
        Goes into the stream's metadata.
    """

    def __init__(self, name: str, provenance: Provenance) -> None:
        head, stream = provenance.bundle.head, provenance.stream
        info = pylsl.StreamInfo(
            name=sources_stream_name(name),
            type=SOURCES_TYPE,
            channel_count=head.n_dipoles,
            nominal_srate=stream.sfreq_hz,
            channel_format=pylsl.cf_float32,
            source_id=f"convdip-{name}-sources",
        )
        _describe(info, provenance)
        self._outlet = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)

    def push(self, frame: SourceFrame) -> None:
        """Publish a frame, and take it over: its sources are made nAm in place."""
        # 20 kB a sample that are in the cache already: a copy of them would not be.
        nam = np.multiply(frame.sources, TO_NAM, out=frame.sources)
        # One call for all rows; their stamps as a list, or one as a float, which is quicker.
        stamps = frame.timestamps.tolist()
        self._outlet.push_chunk(nam, stamps if len(stamps) > 1 else stamps[0])


def _describe(info: pylsl.StreamInfo, provenance: Provenance) -> None:
    """Write channels, source space, provenance and timing into the stream's metadata."""
    bundle, stream, montage = provenance.bundle, provenance.stream, provenance.montage
    head = bundle.head
    desc = info.desc()

    channels = desc.append_child("channels")
    for label, place_m, region in zip(
        head.dipole_labels, head.dipoles_m.tolist(), head.atlas.tolist(), strict=True
    ):
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("unit", "nAm")
        channel.append_child_value("type", "source")
        channel.append_child_value("region", head.atlas_names[region])
        location = channel.append_child("location")
        for axis, metres in zip("XYZ", place_m, strict=True):
            location.append_child_value(axis, f"{metres * 1e3:.2f}")

    _append(
        desc.append_child("source_space"),
        {
            "frame": "MRI surface RAS",
            "location_unit": "mm",
            "orientation": "fixed, outward normal of the cortex",
            "n_left": head.n_left,
            "n_right": head.n_dipoles - head.n_left,
            "head_sha256": bundle.card["sha256"]["head.npz"],
        },
    )
    _append(
        desc.append_child("provenance"),
        {
            "input_name": stream.name,
            "input_source_id": stream.source_id,
            "input_hostname": stream.hostname,
            "input_unit": provenance.unit or "as stated",
            "model": bundle.name,
            "model_sha256": bundle.sha256,
            "provider": provenance.network.provider,
            "precision": provenance.network.precision,
            "threads": provenance.network.threads,
            "reference": "average",
            "filter": "none",
            "interpolated_channels": ", ".join(montage.missing) or "none",
        },
    )
    _append(
        desc.append_child("timing"),
        {"timestamp": "of the EEG sample that the estimate was computed from", "delay_s": 0},
    )


def _append(node: pylsl.info.XMLElement, values: dict[str, object]) -> None:
    for key, value in values.items():
        node.append_child_value(key, str(value))
