"""The head model of a configuration, built or from the cache (section 2.1)."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import mne
from convdip.head import Head

from convdip_training.anatomy.assemble import assemble_head
from convdip_training.anatomy.caps import place_electrodes, standard_places_m
from convdip_training.anatomy.forward import HEAD_VERSION, solve_forward
from convdip_training.anatomy.subject import find_subject, own_files
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import HeadConfig

log = logging.getLogger(__name__)


def load_or_build_head(config: HeadConfig, cache: Path) -> Head:
    """Return the head model of a configuration, from the cache if it is there."""
    path = cache / f"head-{fingerprint(config, HEAD_VERSION, own_files(config))}.npz"
    if path.is_file():
        log.info("head model: from %s", path)
        return Head.load(path)
    head = build_head(config)
    write_whole(path, head.save)
    return head


def build_head(config: HeadConfig) -> Head:
    """Compute a head model (about two minutes on two cores).

    Parameters
    ----------
    config : HeadConfig

    Raises
    ------
    ConfigError
        If a file of the subject is missing, or an electrode is unknown.
    """
    with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
        log.info("head model 1/3: anatomy of %r", config.subject)
        subject = find_subject(config, Path(scratch))
        log.info("head model 2/3: boundary element model and lead field (a minute or two)")
        info = place_electrodes(standard_places_m(config.electrodes))
        forward = solve_forward(config, subject, info)
        log.info("head model 3/3: surfaces and atlas")
        return assemble_head(config, forward, subject)
