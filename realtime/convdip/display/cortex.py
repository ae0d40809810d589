"""A picture of a source map on the cortex, without a window.

For a given view, each pixel's value is a weighted sum of the dipoles', so that drawing is one
sparse product and a colour table; surface, light and hidden parts are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy import ndimage

from convdip.display.colours import N_LEVELS, Rgb, activity_table, grey
from convdip.display.outline import Outline
from convdip.display.raster import average_blocks, rasterise
from convdip.display.view import (
    FOUR_VIEWS,
    Camera,
    Hemisphere,
    Projection,
    SurfaceName,
    View,
    project,
    standard_camera,
    surface,
)
from convdip.head import Head

# Below this share of the scale nothing is drawn, as in the paper's figures.
THRESHOLD = 0.25
# Activity fades in over this share of the scale.
FADE = 0.04
LIGHT = np.array([0.3, 0.25, 0.92])  # right, up, towards the viewer: a little from above
# How much the surface darkens where it turns away; activity less, to keep its colours readable.
SHADE, ACTIVITY_SHADE = 0.5, 0.2
# Fine pixels along one side of a pixel: smooth edges at no cost per frame.
SUPERSAMPLING = 2
HIDDEN_M = 0.004


@dataclass(frozen=True)
class Look:
    """Colours of background and surface, in 0–1."""

    background: tuple[float, float, float]
    gyrus: float
    sulcus: float


DARK = Look((0.06, 0.067, 0.08), 0.62, 0.38)
LIGHT_LOOK = Look((0.97, 0.97, 0.96), 0.86, 0.62)
PAPER = Look((1.0, 1.0, 1.0), 0.86, 0.62)


class CortexPicture:
    """A view of the cortex, set up once and drawn many times.

    Parameters
    ----------
    head : Head
    width, height : int
        Size of the picture, in pixels.
    surface_name : 'inflated', 'pial' or 'white'
    cameras : sequence of Camera
        One fills the picture; four are laid out in two rows.
    look : Look
    supersampling : int
        1 is four times as fast to set up as 2, with rough edges.
    zoom : float

    Attributes
    ----------
    width, height : int
    cells : list of (Camera, x, y, width, height)
        The rectangle of each view.
    """

    def __init__(
        self,
        head: Head,
        width: int,
        height: int,
        surface_name: SurfaceName = "inflated",
        cameras: Sequence[Camera] = FOUR_VIEWS,
        look: Look = DARK,
        *,
        supersampling: int = SUPERSAMPLING,
        zoom: float = 1.0,
    ) -> None:
        self.width, self.height = width, height
        self._atlas = head.atlas
        self._outlines: dict[int, NDArray[np.intp]] = {}
        mesh = surface(head, surface_name)
        n_columns = 1 if len(cameras) == 1 else 2
        n_rows = -(-len(cameras) // n_columns)
        cell_width, cell_height = max(width // n_columns, 1), max(height // n_rows, 1)
        self.cells: list[tuple[Camera, int, int, int, int]] = []
        self._projections: list[Projection] = []
        self._dipole_at = np.full(width * height, -1, np.int32)
        pixels, weights, coverage, light = [], [], [], []
        for number, camera in enumerate(cameras):
            row, column = divmod(number, n_columns)
            left, top = column * cell_width, row * cell_height
            self.cells.append((camera, left, top, cell_width, cell_height))
            seen = project(mesh, camera, cell_width, cell_height, zoom)
            self._projections.append(seen)
            at, of_dipoles, covered, main = _smooth_view(
                seen, cell_width, cell_height, head.n_dipoles, supersampling
            )
            at = (at // cell_width + top) * width + at % cell_width + left
            self._dipole_at[at] = main
            direction = LIGHT @ np.array([camera.right, camera.up, camera.towards])
            lit = np.clip(of_dipoles @ (mesh.normals @ direction).astype(np.float32), 0, 1)
            pixels.append(at)
            weights.append(of_dipoles)
            coverage.append(covered)
            light.append(lit)
        self._pixels = np.concatenate(pixels)
        self._weights = sp.vstack(weights, format="csr", dtype=np.float32)
        self._coverage = np.concatenate(coverage)
        self._light = np.concatenate(light)
        self._base = self._draw_base(head, look)
        self._soften = Outline(head.triangles, head.n_dipoles)

    def _draw_base(self, head: Head, look: Look) -> NDArray[np.uint8]:
        """Draw the surface and its sulci, without activity."""
        # Smooth over the border, which is narrower than a triangle.
        depth = self._weights @ np.clip(head.sulcal_depth / 0.2, -1, 1).astype(np.float32)
        grey = look.gyrus + (look.sulcus - look.gyrus) * (depth + 1) / 2
        grey *= 1 - SHADE * (1 - self._light)
        background = np.array(look.background, np.float32)
        picture = np.full((self.width * self.height, 3), background)
        share = self._coverage[:, None]
        picture[self._pixels] = share * grey[:, None] + (1 - share) * background
        return (picture * 255).astype(np.uint8)

    def draw(
        self,
        strength: NDArray[np.float32],
        table: Rgb | None = None,
        threshold: float = THRESHOLD,
        outlined: Sequence[int] = (),
        *,
        is_signed: bool = False,
        is_grey: bool = False,
    ) -> NDArray[np.uint8]:
        """Draw a source map.

        Parameters
        ----------
        strength : ndarray, shape (n_dipoles,)
            As shares of the colour scale; values beyond its end get the last colour. Outlines are
            drawn rounded; peaks keep their places and colours.
        table : ndarray, shape (256, 3), optional
            Colours of 0 to 1, or of −1 to 1 where signs are drawn; inferno if not given.
        threshold : float
            Nothing is drawn whose magnitude is below this share.
        outlined : sequence of int
            Regions of the atlas to outline.
        is_signed : bool
            Draw negative values, too, in the lower half of the table.
        is_grey : bool
            Draw without colours: the map is not of the present.

        Returns
        -------
        picture : ndarray of uint8, shape (height, width, 3)
            Red, green, blue.
        """
        if table is None:
            table = activity_table("inferno")
        if is_grey:
            table = grey(table)
        picture = self._base.copy()
        values = self._weights @ self._soften(strength, threshold)
        magnitude = np.abs(values) if is_signed else values
        hot = np.flatnonzero(magnitude > threshold)
        level = np.minimum(magnitude[hot], 1.0)
        place = (np.copysign(level, values[hot]) + 1) / 2 if is_signed else level
        shade = 1 - ACTIVITY_SHADE * (1 - self._light[hot, None])
        colours = table[(place * (N_LEVELS - 1)).astype(np.intp)] * (255 * shade)
        share = np.minimum((level - threshold) / FADE, 1.0) * self._coverage[hot]
        at = self._pixels[hot]
        beneath = picture[at]
        picture[at] = beneath + share[:, None] * (colours - beneath)
        for region in outlined:
            picture[self._outline(region)] = (255, 255, 255)
        return picture.reshape(self.height, self.width, 3)

    def dipole_at(self, x: int, y: int) -> int | None:
        """Return the dipole shown at a pixel; None off the cortex."""
        if not (0 <= x < self.width and 0 <= y < self.height):
            return None
        dipole = int(self._dipole_at[y * self.width + x])
        return None if dipole < 0 else dipole

    def places_of(self, dipole: int) -> list[tuple[float, float]]:
        """Return where in the picture a dipole is visible: at most once per view."""
        places = []
        for (_, left, top, _, _), seen in zip(self.cells, self._projections, strict=True):
            x, y = seen.pixels[dipole] + (left, top)
            front = self.dipole_at(int(x), int(y))
            if front is None or seen.facing[dipole] <= 0:
                continue
            if abs(seen.depth[front] - seen.depth[dipole]) < HIDDEN_M:
                places.append((float(x), float(y)))
        return places

    def _outline(self, region: int) -> NDArray[np.intp]:
        """Return the pixels of a region's outline, computed once."""
        if region not in self._outlines:
            shown = np.append(self._atlas == region, False)[self._dipole_at]
            inside = shown.reshape(self.height, self.width)
            line = inside & ~ndimage.binary_erosion(inside, iterations=2)
            self._outlines[region] = np.flatnonzero(line)
        return self._outlines[region]


def _smooth_view(
    seen: Projection, width: int, height: int, n_dipoles: int, factor: int
) -> tuple[NDArray[np.intp], sp.csr_matrix, NDArray[np.float32], NDArray[np.int32]]:
    """Rasterise a view ``factor`` times as finely along each side, and average.

    Returns
    -------
    pixels, weights
        As of `rasterise`.
    coverage : ndarray, shape (n_seen,)
        Share of each pixel that shows cortex.
    main : ndarray of int, shape (n_seen,)
        The dipole of largest weight there.
    """
    fine = replace(seen, pixels=seen.pixels * factor)
    fine_width = width * factor
    pixels, weights = rasterise(fine, fine_width, height * factor, n_dipoles)
    largest = weights.data.reshape(-1, 3).argmax(axis=1)
    main: NDArray[np.int32] = weights.indices.reshape(-1, 3)[np.arange(largest.size), largest]
    if factor == 1:
        return pixels, weights, np.ones(pixels.size, np.float32), main
    row, column = np.divmod(pixels, fine_width)
    of_block = np.empty(width * height, np.int32)
    of_block[row // factor * width + column // factor] = main
    merged, coverage, averaged = average_blocks(pixels, weights, fine_width, factor)
    return merged, averaged, coverage, of_block[merged]


def draw_cortex(
    head: Head,
    moments_nam: NDArray[np.floating],
    width: int = 860,
    height: int = 600,
    limit_nam: float | None = None,
    surface_name: SurfaceName = "inflated",
    cameras: Sequence[Camera] = FOUR_VIEWS,
    look: Look = DARK,
) -> NDArray[np.uint8]:
    """Draw one source map.

    Parameters
    ----------
    head : Head
    moments_nam : ndarray, shape (n_dipoles,)
    width, height : int
        In pixels.
    limit_nam : float, optional
        End of the colour scale; the map's maximum on cortex by default.
    surface_name : 'inflated', 'pial' or 'white'
    cameras : sequence of Camera
    look : Look

    Returns
    -------
    picture : ndarray of uint8, shape (height, width, 3)
    """
    picture = CortexPicture(head, width, height, surface_name, cameras, look)
    return picture.draw(_shares(head, moments_nam, limit_nam))


def _shares(
    head: Head, values: NDArray[np.floating], limit: float | None = None
) -> NDArray[np.float32]:
    """Return magnitudes as shares of a limit; without one, of their maximum on cortex."""
    strength = np.abs(values).astype(np.float32)
    limit = float(strength[head.strongest(strength)]) if limit is None else limit
    shares: NDArray[np.float32] = strength / max(limit, 1e-30)
    return shares


class Hemispheres:
    """Draws source maps on one inflated hemisphere, as the paper's figures do.

    Colours run to the maximum of the whole cortex, over both hemispheres; nothing is drawn below
    25 % of it. Each view is rasterised once, when it is first drawn.

    Parameters
    ----------
    head : Head
    width, height : int
        In pixels.
    look : Look

    See Also
    --------
    convdip.display.view.best_view : The view that faces a map's maximum.
    """

    def __init__(self, head: Head, width: int = 480, height: int = 360, look: Look = PAPER) -> None:
        self._head = head
        self._size = width, height
        self._look = look
        self._pictures: dict[tuple[Hemisphere, View], CortexPicture] = {}

    def __call__(
        self, values: NDArray[np.floating], hemisphere: Hemisphere, view: View = "lateral"
    ) -> NDArray[np.uint8]:
        """Draw a map.

        Parameters
        ----------
        values : ndarray, shape (n_dipoles,)
            Source map in any unit; its absolute value is drawn.
        hemisphere : 'left' or 'right'
        view : 'lateral', 'medial' or 'ventral'

        Returns
        -------
        picture : ndarray of uint8, shape (height, width, 3)
            Red, green, blue.
        """
        picture = self._pictures.get((hemisphere, view))
        if picture is None:
            cameras = (standard_camera(hemisphere, view),)
            picture = CortexPicture(self._head, *self._size, "inflated", cameras, self._look)
            self._pictures[hemisphere, view] = picture
        return picture.draw(_shares(self._head, values))
