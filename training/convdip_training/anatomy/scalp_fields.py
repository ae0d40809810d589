"""Lead fields at all places of the 10-05 system: of the model's head, and of a family around it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from convdip.errors import ConfigError
from convdip.head import Head, Scalp
from convdip.live.cap_places import ten_five_names
from convdip.live.topography import average_reference
from numpy.typing import NDArray

from convdip_training.anatomy.caps import standard_places_m
from convdip_training.anatomy.families import ScalpFamily
from convdip_training.anatomy.family_forward import keep_solved
from convdip_training.anatomy.forward import HEAD_VERSION
from convdip_training.anatomy.subject import own_files
from convdip_training.cache import fingerprint
from convdip_training.config import FamilyConfig, HeadConfig
from convdip_training.grid import N_PIXELS

log = logging.getLogger(__name__)

# Increase with any change of the numbers below, so that no older solution is taken from the cache.
VERSION = 1


def with_scalp(head: Head, config: HeadConfig, cache: Path) -> Head:
    """Return a head with lead fields all over its scalp, whose noise is white so far.

    Takes over a minute unless they are in the cache.

    Parameters
    ----------
    head : Head
        The configuration's own.
    config : HeadConfig
    cache : Path
    """
    names = ten_five_names()
    everywhere_m = standard_places_m(names)
    content = fingerprint(config, VERSION, HEAD_VERSION, own_files(config))
    cap_m = standard_places_m(config.electrodes)
    path, places_path = keep_solved(cache, "scalp", content, config, cap_m, [everywhere_m])
    solved = Head.load(path)
    if not np.allclose(solved.lead_field, head.lead_field, rtol=1e-3, atol=1e-3):
        raise ConfigError("the head model is not the one that its configuration describes")
    fields = np.load(places_path)[0]
    places_m = _on_head(np.array(list(everywhere_m.values())), cap_m, head)
    noise = average_reference(len(names)).astype(np.float32)
    scalp = Scalp(names, places_m.astype(np.float32), fields - fields.mean(axis=0), noise)
    return replace(head, scalp=scalp)


def scalp_family(config: FamilyConfig, head: HeadConfig, cache: Path) -> ScalpFamily:
    """Return the heads that a training draws from; each not in the cache takes over a minute.

    Parameters
    ----------
    config : FamilyConfig
    head : HeadConfig
        The head model at its centre.
    cache : Path

    Raises
    ------
    ConfigError
        If another head than the template is to be stretched.
    """
    if config.stretched and head.subject != "template":
        raise ConfigError(
            f"[family] stretched beside the subject {head.subject!r}: only the template is "
            "stretched; leave it out"
        )
    names = ten_five_names()
    everywhere_m, cap_m = standard_places_m(names), standard_places_m(head.electrodes)
    brain, _, scalp = head.conductivity_s_m
    middle = config.skull_s_m[len(config.skull_s_m) // 2]
    members: list[tuple[float, tuple[float, float, float] | None]]
    members = [(skull, None) for skull in config.skull_s_m]
    members += [(middle, factors) for factors in config.stretched]
    solved = []
    for skull, factors in members:
        member = replace(head, spacing=config.spacing, conductivity_s_m=(brain, skull, scalp))
        content = fingerprint(member, factors, VERSION, HEAD_VERSION, own_files(head))
        solved.append(keep_solved(cache, "scalp", content, member, cap_m, [everywhere_m], factors))
    cortex = Head.load(solved[0][0])
    fields = np.stack([np.load(path, mmap_mode="r")[0] for _, path in solved])
    places_m = _on_head(np.array(list(everywhere_m.values())), cap_m, cortex)
    return ScalpFamily(cortex, fields, np.log(config.skull_s_m), places_m)


def everywhere(head: Head) -> Head:
    """Return a head whose electrodes are all places of its scalp."""
    assert head.scalp is not None
    scalp = head.scalp
    return with_electrodes(head, scalp.names, scalp.places_m, scalp.lead_field)


def with_electrodes(
    head: Head,
    channels: tuple[str, ...],
    electrodes_m: NDArray[np.floating],
    lead_field: NDArray[np.float32],
) -> Head:
    """Return a head with other electrodes, which make no image of 7×11 pixels."""
    return replace(
        head,
        channels=channels,
        electrodes_m=electrodes_m,
        lead_field=lead_field,
        interpolation=np.zeros((N_PIXELS, len(channels)), np.float32),
        scalp=None,
    )


def _on_head(
    places_m: NDArray[np.float64], cap_m: dict[str, NDArray[np.float64]], head: Head
) -> NDArray[np.float64]:
    """Return places in head coordinates in the head's MRI frame, where its electrodes are."""
    cap = np.array(list(cap_m.values()))
    system = np.column_stack([cap, np.ones(len(cap))])
    fit = np.linalg.lstsq(system, head.electrodes_m.astype(float), rcond=None)[0]
    return np.asarray(np.column_stack([places_m, np.ones(len(places_m))]) @ fit)
