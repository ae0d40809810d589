"""Where electrodes lie that a stream states by coordinates, not by names."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head
from convdip.live.spline import sphere_centre

log = logging.getLogger(__name__)

# A rotation, a scale and a shift have seven parameters; three electrodes give nine numbers.
FEWEST_KNOWN = 4
# What a cap's places may deviate from where its known names lie, root mean square.
MOST_RESIDUAL_M = 0.02
# Without known names: so many electrodes, on a sphere within this share of its radius.
FEWEST_LOCATED = 12
MOST_OFF_SPHERE = 0.2
MOST_OFF_HEAD = 0.5
RADII_M = (0.05, 0.15)

Places = NDArray[np.float64]


def located(stated_m: Places, known: Mapping[int, Places], head: Head) -> Places | None:
    """Bring the places that a stream states into the head's frame.

    They are aligned by the similarity that fits electrodes of known names; without any, they are
    taken as XDF specifies them, x to the right, y to the front and z up, and laid on the head by
    the spheres that fit both.

    Parameters
    ----------
    stated_m : ndarray, shape (n_channels, 3)
        NaN where a channel has none.
    known : mapping of int to ndarray, shape (3,)
        By channel, where an electrode of a known name lies on the head.
    head : Head

    Returns
    -------
    places_m : ndarray, shape (n_channels, 3), or None
        None if the places are not plausible, which is logged.
    """
    shared = [i for i in known if np.isfinite(stated_m[i]).all()]
    if len(shared) >= FEWEST_KNOWN:
        placed, reason = _by_names(stated_m, shared, known)
    else:
        placed, reason = _by_sphere(stated_m, head)
    if not reason:
        reason = _off_head(placed, head)
    if reason:
        log.warning("the stream's electrode locations are ignored: %s", reason)
        return None
    return placed


def _by_names(
    stated_m: Places, shared: Sequence[int], known: Mapping[int, Places]
) -> tuple[Places, str]:
    """Align by the similarity that fits known electrodes best (Umeyama 1991)."""
    onto = np.array([known[i] for i in shared])
    middle, onto_middle = stated_m[shared].mean(axis=0), onto.mean(axis=0)
    centred = stated_m[shared] - middle
    u, stretch, vt = np.linalg.svd(centred.T @ (onto - onto_middle))
    turn = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])  # never a reflection
    rotation = u * turn @ vt
    scale = (stretch * turn).sum() / max((centred**2).sum(), np.finfo(float).tiny)
    placed = scale * (stated_m - middle) @ rotation + onto_middle
    residual_m = float(np.sqrt(np.mean(np.sum((placed[shared] - onto) ** 2, axis=1))))
    log.info("electrode locations fit %d known names within %.0f mm", len(shared), residual_m * 1e3)
    if residual_m > MOST_RESIDUAL_M:
        return placed, (
            f"those of {len(shared)} known names lie {residual_m * 1e3:.0f} mm from where they "
            f"belong (root mean square), expected at most {MOST_RESIDUAL_M * 1e3:.0f} mm"
        )
    return placed, ""


def _by_sphere(stated_m: Places, head: Head) -> tuple[Places, str]:
    """Lay places on the head by the spheres that fit both."""
    there = np.isfinite(stated_m).all(axis=1)
    points = stated_m[there]
    if len(points) < FEWEST_LOCATED:
        return stated_m, (
            f"{len(points)} channels have one, expected at least {FEWEST_LOCATED}, or "
            f"{FEWEST_KNOWN} with 10-20 names to align them by"
        )
    offsets = points - sphere_centre(points)
    distances = np.linalg.norm(offsets, axis=1)
    radius_m = distances.mean()
    if not RADII_M[0] <= radius_m <= RADII_M[1] or distances.std() > MOST_OFF_SPHERE * radius_m:
        return stated_m, "they do not lie on a sphere of a head's size"
    directions = offsets / distances[:, None]
    mirrored = [_asymmetry(directions, axis) for axis in range(3)]
    if np.argmin(mirrored) != 0 or directions[:, 2].mean() <= 0:
        return stated_m, (
            "their axes are not x to the right, y to the front and z up, and no 10-20 names are "
            "there to align them by"
        )
    log.info("electrode locations are taken as x to the right, y to the front, z up")
    centre = sphere_centre(head.electrodes_m)
    head_radius_m = np.linalg.norm(head.electrodes_m - centre, axis=1).mean()
    placed = np.full_like(stated_m, np.nan)
    placed[there] = centre + head_radius_m * directions
    return placed, ""


def _off_head(placed_m: Places, head: Head) -> str:
    """Say that places lie off a head, as few known names close together may put them."""
    centre = sphere_centre(head.electrodes_m)
    radius_m = np.linalg.norm(head.electrodes_m - centre, axis=1).mean()
    distances = np.linalg.norm(placed_m - centre, axis=1) / radius_m
    share = float(np.nanmax(np.abs(distances - 1)))
    if share > MOST_OFF_HEAD:
        return f"some lie {share:.0%} of its radius off the head, expected {MOST_OFF_HEAD:.0%}"
    return ""


def _asymmetry(directions: Places, axis: int) -> float:
    """Return how far electrodes lie from others' mirror images along an axis, on average."""
    mirror = np.ones(3)
    mirror[axis] = -1.0
    gaps = np.linalg.norm(directions[:, None] * mirror - directions, axis=2)
    return float(gaps.min(axis=1).mean())
