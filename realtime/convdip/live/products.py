"""Matrix products too small for BLAS to wake its threads.

They would delay a sample, take cores from a host program, and get in each other's way where several
batches are imaged at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# OpenBLAS uses several threads from a product of some 260,000 multiplications on.
MOST = 200_000


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Return ``a @ b``, some rows at a time."""
    rows = max(1, MOST // max(1, b.size))
    if len(a) <= rows:
        return np.asarray(a @ b)
    return np.concatenate([a[i : i + rows] @ b for i in range(0, len(a), rows)])


def gram(x: NDArray[Any]) -> NDArray[Any]:
    """Return ``x.T @ x``, some rows at a time."""
    rows = max(1, MOST // max(1, x.shape[1] ** 2))
    total = np.zeros((x.shape[1], x.shape[1]), x.dtype)
    for i in range(0, len(x), rows):
        part = x[i : i + rows]
        total += part.T @ part
    return total
