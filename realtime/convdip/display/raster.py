"""Rasterisation: the weights with which dipoles contribute to pixels, once for each view."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from convdip.display.view import Projection

# Candidate pixels at a time, to bound memory on large screens.
BLOCK = 1 << 19


def rasterise(
    projection: Projection, width: int, height: int, n_dipoles: int
) -> tuple[NDArray[np.intp], sp.csr_matrix]:
    """Return the pixels that show cortex, and the weights of the dipoles in their values.

    Within a triangle, values are linear between its corners (barycentric coordinates).

    Parameters
    ----------
    projection : Projection
        Its triangles ordered, the farthest first: a nearer one covers what lies behind.
    width, height : int
    n_dipoles : int

    Returns
    -------
    pixels : ndarray of int, shape (n_seen,)
        Indices into the flat picture, ascending.
    weights : csr_matrix, shape (n_seen, n_dipoles)
        Three a row; they add up to 1.
    """
    corners = projection.pixels[projection.triangles]
    # A pixel is seen where its centre is; centres lie at half pixels.
    low = np.clip(np.ceil(corners.min(axis=1) - 0.5), 0, [width, height]).astype(np.int64)
    high = np.clip(np.floor(corners.max(axis=1) - 0.5) + 1, 0, [width, height]).astype(np.int64)
    sizes = np.maximum(high - low, 0)
    n_candidates = sizes.prod(axis=1)

    nearest = np.full(width * height, -1, np.int32)
    inner = np.zeros((width * height, 2), np.float32)
    ends = np.cumsum(n_candidates)
    start = 0
    while start < len(corners):
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + BLOCK, "right")))
        block = slice(start, stop)
        owner = np.repeat(np.arange(start, stop), n_candidates[block])
        number = np.arange(owner.size) - (ends[owner] - n_candidates[owner] - done)
        row, column = np.divmod(number, sizes[owner, 0])
        x, y = low[owner, 0] + column, low[owner, 1] + row
        first, second = _barycentric(corners[block], owner - start, x + 0.5, y + 0.5)
        inside = (first >= 0) & (second >= 0) & (first + second <= 1)
        at = y[inside] * width + x[inside]
        # Of several writers to a pixel NumPy keeps the last one, here the nearest.
        nearest[at] = owner[inside]
        inner[at, 0], inner[at, 1] = first[inside], second[inside]
        start = stop

    pixels = np.flatnonzero(nearest >= 0)
    shares = np.column_stack([inner[pixels], 1 - inner[pixels].sum(axis=1)]).astype(np.float32)
    columns = projection.triangles[nearest[pixels]].astype(np.int32)
    rows = np.arange(0, 3 * pixels.size + 1, 3, dtype=np.int32)
    weights = sp.csr_matrix((shares.ravel(), columns.ravel(), rows), (pixels.size, n_dipoles))
    return pixels, weights


def _barycentric(
    corners: NDArray[np.float64],
    owner: NDArray[np.intp],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of the first two corners of each point's triangle."""
    a, b, c = corners.transpose(1, 0, 2)
    doubled_area = (b[:, 1] - c[:, 1]) * (a[:, 0] - c[:, 0]) + (c[:, 0] - b[:, 0]) * (
        a[:, 1] - c[:, 1]
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # a triangle seen edge-on covers no pixel
        first_x, first_y = (b[:, 1] - c[:, 1]) / doubled_area, (c[:, 0] - b[:, 0]) / doubled_area
        second_x, second_y = (c[:, 1] - a[:, 1]) / doubled_area, (a[:, 0] - c[:, 0]) / doubled_area
    from_x, from_y = x - c[owner, 0], y - c[owner, 1]
    first = first_x[owner] * from_x + first_y[owner] * from_y
    second = second_x[owner] * from_x + second_y[owner] * from_y
    return first, second


def average_blocks(
    pixels: NDArray[np.intp], weights: sp.csr_matrix, width: int, factor: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], sp.csr_matrix]:
    """Merge blocks of ``factor`` × ``factor`` fine pixels into one each.

    Returns
    -------
    merged : ndarray of int, shape (n_merged,)
        Indices into the flat coarse picture, which is ``width // factor`` wide, ascending.
    coverage : ndarray, shape (n_merged,)
        Share of the block that shows cortex.
    weights : csr_matrix, shape (n_merged, n_dipoles)
        Mean over the fine pixels that show cortex.
    """
    row, column = np.divmod(pixels, width)
    block = row // factor * (width // factor) + column // factor
    merged, place, n = np.unique(block, return_inverse=True, return_counts=True)
    shares = (1 / n[place]).astype(np.float32)
    mean = sp.csr_matrix((shares, (place, np.arange(pixels.size))), (merged.size, pixels.size))
    coverage = (n / factor**2).astype(np.float32)
    averaged = sp.csr_matrix(mean @ weights)
    averaged.sum_duplicates()
    return merged, coverage, averaged
