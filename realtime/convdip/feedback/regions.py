"""Parts of the cortex by name, or by place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.head import NO_CORTEX, Head
from convdip.mni import mni_mm

HEMISPHERES = ("lh", "rh")
SPHERE = "mni:"


@dataclass(frozen=True)
class Region:
    """A part of the cortex.

    Attributes
    ----------
    name : str
        Such as ``cuneus-lh``.
    dipoles : ndarray of int
    """

    name: str
    dipoles: NDArray[np.intp]

    def centroid_m(self, head: Head) -> NDArray[np.float64]:
        """Return the middle of its dipoles, in the head's frame."""
        return np.asarray(head.dipoles_m[self.dipoles].mean(axis=0, dtype=float))


def atlas_regions(head: Head) -> list[Region]:
    """Return all regions of the head's atlas that lie on cortex, in its order."""
    return [
        Region(name, np.flatnonzero(head.atlas == i))
        for i, name in enumerate(head.atlas_names)
        if name.rsplit("-", 1)[0] not in NO_CORTEX and (head.atlas == i).any()
    ]


def find_regions(head: Head, said: Sequence[str], *, is_template: bool = True) -> list[Region]:
    """Return the regions that are named.

    Parameters
    ----------
    head : Head
    said : sequence of str
        Each a region of the Desikan–Killiany atlas, of one hemisphere (``cuneus-lh``) or of both
        (``cuneus``), or the cortex within a sphere, ``mni:X Y Z R``, in mm of MNI152 space.
    is_template : bool
        Whether the head is the template: of others, no MNI coordinates are known.

    Returns
    -------
    regions : list of Region
        Of a name without hemisphere, two.

    Raises
    ------
    ConfigError
        If there is no such region, or no cortex in a sphere.
    """
    known = {region.name: region for region in atlas_regions(head)}
    found = []
    for name in said:
        if name.startswith(SPHERE):
            if not is_template:
                raise ConfigError(
                    f"{name!r}: the model's head is a person's own, whose MNI coordinates are not "
                    "known; expected a region of the atlas"
                )
            found.append(_sphere(head, name))
            continue
        chosen = [known[n] for n in (name, *(f"{name}-{h}" for h in HEMISPHERES)) if n in known]
        if not chosen:
            stems = {n.rsplit("-", 1)[0] for n in known}
            close = difflib.get_close_matches(name.lower(), sorted(stems | set(known)), 3, 0.5)
            instead = f"did you mean {' or '.join(close)}?" if close else ", ".join(sorted(stems))
            raise ConfigError(
                f"no region {name!r}: expected one of the Desikan–Killiany atlas, such as cuneus "
                f"or cuneus-lh, or a sphere, such as 'mni:-20 -92 5 12'; {instead}"
            )
        found += chosen
    return found


def _sphere(head: Head, said: str) -> Region:
    """Return the cortex in a sphere, ``mni:X Y Z R``."""
    try:
        numbers = [float(number) for number in said.removeprefix(SPHERE).replace(",", " ").split()]
        x, y, z, radius_mm = numbers
    except ValueError:
        raise ConfigError(
            f"{said!r} is no sphere: expected 'mni:X Y Z R', its centre in MNI152 space and its "
            "radius in mm"
        ) from None
    if not (np.isfinite(numbers).all() and radius_mm > 0):
        raise ConfigError(f"{said!r}: expected finite numbers, and a radius above 0 mm")
    distances_mm = np.linalg.norm(mni_mm(head.dipoles_m) - [x, y, z], axis=1)
    distances_mm[~head.is_cortex] = np.inf
    within = np.flatnonzero(distances_mm <= radius_mm)
    if not within.size:
        raise ConfigError(
            f"no cortex within {radius_mm:g} mm of MNI {x:g} {y:g} {z:g}: the nearest is "
            f"{distances_mm.min():.0f} mm away"
        )
    return Region(said, within)
