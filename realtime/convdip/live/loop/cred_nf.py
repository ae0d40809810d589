"""What the CRED-nf checklist asks of a session's online processing, filled in from what ran.

Ros et al. 2020, Brain 143, doi:10.1093/brain/awaa009. Of its items, software can fill in 3d, 3e,
4a, 4b, 4d and 4e; latency and delay, for which it does not ask, come with them.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from convdip.feedback.sham import TABLE
from convdip.feedback.tally import Tally
from convdip.feedback.value import DWELL_S, HYSTERESIS
from convdip.live.loop.blocks import described
from convdip.live.loop.protocol_file import Protocol
from convdip.live.loop.rest import RestBaseline
from convdip.live.settings import Settings
from convdip.live.summary import Summary
from convdip.machine import commit, gpu_name, n_cores, processor_name, versions
from convdip.streams import FeatureChannel, Provenance

log = logging.getLogger(__name__)

FILE = "cred-nf.json"
CHECKLIST = "CRED-nf (Ros et al. 2020), doi:10.1093/brain/awaa009"
PACKAGES = ("convdip-realtime", "numpy", "scipy", "pylsl", "onnxruntime-gpu")
# What only the laboratory knows.
OPEN = {
    "1a": "preregistration",
    "1b": "sample size",
    "2a": "control group or condition",
    "2b": "double blind",
    "2c": "raters blind",
    "2d": "blinding checked",
    "2e": "standard of care",
    "3a": "psychosocial factors",
    "3b": "strategy given to participants",
    "3c": "strategies participants used",
    "4c": "modality and content of the feedback",
    "5a": "regulation of the trained variable, from 4d",
    "5b": "within and between sessions",
    "6a": "behaviour, and its relation to regulation",
    "7a": "storage of materials and data",
}


@dataclass(frozen=True)
class Ran:
    """What a session was, at its end.

    Attributes
    ----------
    settings : Settings
    protocol : Protocol or None
    provenances : sequence of Provenance
        The first, and one for each time that the input came back as another stream.
    sfreq_hz : float
        Of the input.
    channels : mapping of str to FeatureChannel
        The features.
    rest : RestBaseline
    threshold : float
        The last.
    tallies : sequence of Tally
        Of the blocks.
    summary : Summary
    n_lost : int
        Rows that the record lacks.
    """

    settings: Settings
    protocol: Protocol | None
    provenances: Sequence[Provenance]
    sfreq_hz: float
    channels: Mapping[str, FeatureChannel]
    rest: RestBaseline
    threshold: float
    tallies: Sequence[Tally]
    summary: Summary
    n_lost: int

    @property
    def provenance(self) -> Provenance:
        """Where estimates come from, at the start."""
        return self.provenances[0]


def write_cred_nf(ran: Ran, folder: Path) -> None:
    """Write ``cred-nf.json`` into the folder of the record; what fails is logged."""
    try:
        text = json.dumps(cred_nf(ran), indent=1, ensure_ascii=False)
        (folder / FILE).write_text(text + "\n", encoding="utf-8")
        log.info("the session is recorded in %s", folder)
    except OSError as error:
        log.warning("%s cannot be written: %s", folder / FILE, error.strerror)


def cred_nf(ran: Ran) -> dict[str, Any]:
    """Return the items of the checklist that software can fill in."""
    is_blinded = ran.protocol is not None and ran.protocol.is_blinded
    blocks = [tally.described(is_blinded=is_blinded) for tally in ran.tallies]
    return {
        "checklist": CHECKLIST,
        "written": datetime.now().astimezone().isoformat(timespec="seconds"),
        "participant": ran.settings.participant,
        "protocol": None
        if ran.protocol is None
        else {"name": ran.protocol.name, "blocks": described(ran.protocol)},
        "3d": _processing(ran),
        "3e": {
            "text": "share of the samples of each block without feedback, by reason",
            "blocks": [
                {key: block[key] for key in ("number", "samples", "without_feedback")}
                for block in blocks
            ],
        },
        "4a": {
            "text": "regions of the cortex, imaged sample by sample after the filter of each "
            "feature; measured over a window that looks back",
            "fed_back": ran.settings.fed_back,
            "features": [asdict(channel) for channel in ran.channels.values()],
            "windows_s": {one.name: one.window_s for one in ran.settings.measured},
        },
        "4b": _schedule(ran),
        "4d": {
            "text": "the share of a Gaussian baseline below the feature's z, 0 to 1, as it was "
            "published sample by sample",
            "record": TABLE,
            "rows_lost": ran.n_lost,
            "blocks": blocks,
        },
        "4e": _equipment(ran),
        "timing": {
            "text": "delay: from a step of a source to half its effect on the feature, filter and "
            "window included; age: from a sample's time stamp until it was published",
            "delay_s": round(ran.channels[ran.settings.fed_back].delay_s, 6),
            "age_ms": ran.summary.latency_ms.get("age"),
            "samples_missing_in_the_input": ran.summary.missing,
            "stream_losses": ran.summary.stream_losses,
            "overloads": ran.summary.overloads,
        },
        "for_the_laboratory": OPEN,
    }


def _processing(ran: Ran) -> dict[str, Any]:
    """Return item 3d: online processing and artefacts."""
    kept = "found and reported" if ran.settings.keep else "found and left out until they are good"
    return {
        "text": "causal filters, then average reference, then imaging, each sample by itself; "
        f"bad electrodes are {kept}; while eyes or muscle are in the last half second there is no "
        "feedback: nothing is corrected",
        "filter": ran.provenance.filter,
        "filter_delay_s": round(ran.provenance.filter_delay_s, 6),
        "reference": "average",
        "electrodes": list(ran.provenance.electrodes),
        "bad_from_the_start": list(ran.settings.bad_electrodes),
        "interpolated": list(ran.summary.interpolated),
        "model": ran.provenance.model,
        "model_sha256": ran.provenance.model_sha256,
        "noise": ran.provenance.noise,
    }


def _schedule(ran: Ran) -> dict[str, Any]:
    """Return item 4b: what is rewarded, and when."""
    settings = ran.settings
    return {
        "text": "a success from the threshold on, once the value has stayed there for the dwell "
        "time, until it falls below it by the hysteresis",
        "toward": settings.toward,
        "threshold": settings.threshold,
        "threshold_at_the_end": round(ran.threshold, 4),
        "success_rate": settings.success_rate,
        "hysteresis": HYSTERESIS,
        "dwell_s": DWELL_S,
        "baseline": ran.rest.described if ran.rest.is_known else None,
        "baseline_follows_s": settings.follow,
    }


def _equipment(ran: Ran) -> dict[str, Any]:
    """Return item 4e: hardware and software."""
    return {
        "amplifier": {
            "stream": ran.provenance.input_name,
            "source_id": ran.provenance.input_source_id,
            "host": ran.provenance.input_hostname,
            "rate_hz": ran.sfreq_hz,
            "came_back_as": [
                {"source_id": later.input_source_id, "host": later.input_hostname}
                for later in ran.provenances[1:]
            ],
        },
        "processor": processor_name(),
        "cores": n_cores(),
        "gpu": gpu_name(),
        "provider": ran.provenance.provider,
        "system": platform.platform(),
        "software": versions(*PACKAGES) | {"commit": commit()},
    }
