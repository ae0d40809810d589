"""Parts of the cortex by name, or by place."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.feedback.annotations import read_label, vertices_of
from convdip.head import NO_CORTEX, Head
from convdip.mni import mni_mm

if TYPE_CHECKING:
    from scipy import sparse

HEMISPHERES = ("lh", "rh")
# A part's least size, of the median region's.
SMALLEST = 0.5
SPHERE, ANNOTATION, LABEL = "mni:", ".annot:", ".label"
# The first vertices of a mesh of fsaverage's are those of the coarser ones.
N_ICO4 = 2562


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


def power_weights(
    head: Head, parts: Sequence[NDArray[np.intp]], smallest: float = SMALLEST
) -> sparse.csr_array:
    """Return the matrix from squared moments to the power of parts of the cortex, a mean each.

    Parameters
    ----------
    head : Head
    parts : sequence of ndarray of int
        The dipoles of each.
    smallest : float
        Least size that a part is taken to have, of the median region's.

    Returns
    -------
    weights : sparse array, shape (n_parts, n_dipoles)
    """
    sizes = sizes_of(head, parts, smallest)
    return over_parts(
        head, parts, [np.full(p.size, 1 / n) for p, n in zip(parts, sizes, strict=True)]
    )


def sizes_of(
    head: Head, parts: Sequence[NDArray[np.intp]], smallest: float = SMALLEST
) -> list[float]:
    """Return over how many dipoles the power of each part is a mean.

    Of few dipoles a mean strays further, so the strongest of noise would be a small part. Hence one
    with fewer dipoles than half the median region of the atlas is taken to have as many, the
    lacking ones silent: of noise, such parts are then the strongest as often as is their share of
    the cortex, 7 % (of the plain mean 16 %).
    """
    least = smallest * float(np.median([region.dipoles.size for region in atlas_regions(head)]))
    return [max(part.size, least) for part in parts]


def over_parts(
    head: Head, parts: Sequence[NDArray[np.intp]], values: Sequence[NDArray[np.float64]]
) -> sparse.csr_array:
    """Return a row for each part that holds its values at its dipoles."""
    from scipy import sparse  # half a second, which only who measures regions waits for

    rows = np.repeat(np.arange(len(parts)), [part.size for part in parts])
    at = rows, np.concatenate(parts)
    return sparse.csr_array((np.concatenate(values), at), shape=(len(parts), head.n_dipoles))


def find_regions(head: Head, said: Sequence[str], *, is_template: bool = True) -> list[Region]:
    """Return the regions that are named.

    Parameters
    ----------
    head : Head
    said : sequence of str
        Each a region of the Desikan–Killiany atlas, of one hemisphere (``cuneus-lh``) or of both
        (``cuneus``); or the cortex within a sphere, ``mni:X Y Z R``, in mm of MNI152 space; or a
        region of an annotation on fsaverage, ``lh.schaefer_100.annot:7Networks_LH_Vis_*``; or a
        label on it, ``lh.mine.label``.
    is_template : bool
        Whether the head is the template: of others, neither MNI coordinates nor the vertices of
        fsaverage are known.

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
        is_sphere = name.startswith(SPHERE)
        if is_sphere or ANNOTATION in name or name.endswith(LABEL):
            if not is_template:
                raise ConfigError(
                    f"{name!r} is a place on the template, but the model's head is a person's own: "
                    "expected a region of the atlas"
                )
            found.append((_sphere if is_sphere else _of_file)(head, name))
            continue
        chosen = [known[n] for n in (name, *(f"{name}-{h}" for h in HEMISPHERES)) if n in known]
        if not chosen:
            stems = {n.rsplit("-", 1)[0] for n in known}
            close = difflib.get_close_matches(name.lower(), sorted(stems | set(known)), 3, 0.5)
            instead = f"did you mean {' or '.join(close)}?" if close else ", ".join(sorted(stems))
            raise ConfigError(
                f"no region {name!r}: expected one of the Desikan–Killiany atlas, such as cuneus "
                f"or cuneus-lh, a sphere, such as 'mni:-20 -92 5 12', a region of an annotation, "
                f"such as 'lh.schaefer_100.annot:7Networks_LH_Vis_1', or a label, such as "
                f"'lh.mine.label'; {instead}"
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


def _of_file(head: Head, said: str) -> Region:
    """Return a region of an annotation file, ``PATH.annot:NAME``, or of a label, ``PATH.label``."""
    stem, is_annotation, name = said.partition(ANNOTATION)
    path = Path(stem + ANNOTATION.removesuffix(":") if is_annotation else said)
    hemisphere = path.name.partition(".")[0]
    if hemisphere not in HEMISPHERES:
        raise ConfigError(f"{path}: expected a file that begins with lh. or rh., its hemisphere")
    if not head.n_left == head.n_dipoles - head.n_left == N_ICO4:
        raise ConfigError(
            f"{path}: the model has {head.n_dipoles} dipoles, expected {2 * N_ICO4} on fsaverage"
        )
    vertices = vertices_of(path, name) if is_annotation else read_label(path)
    dipoles = np.unique(vertices[vertices < N_ICO4]) + (head.n_left if hemisphere == "rh" else 0)
    dipoles = dipoles[head.is_cortex[dipoles]]
    if not dipoles.size:
        raise ConfigError(f"{said!r} has no dipole of the model: expected a larger region")
    return Region(f"{name or path.stem[3:]} ({hemisphere})", dipoles)
