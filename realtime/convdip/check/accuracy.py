"""How far from the true source the strongest dipole is to be expected."""

from __future__ import annotations

import numpy as np

# Mean localisation error by mean coverage: simulated sources at the demo's SNR, with caps from the
# model's own to half of it (benchmarks/chair.py --seconds 300, 2026-11-26). With no electrode, any
# place is as likely.
COVERAGE = (0.0, 0.73, 0.80, 0.84, 0.875, 0.90, 0.92, 0.93, 0.96, 0.975)
ERROR_MM = (78.0, 55.0, 50.0, 41.0, 36.0, 31.0, 29.0, 22.0, 17.0, 14.0)
CHANCE_MM, BEST_MM = ERROR_MM[0], ERROR_MM[-1]


def expected_error_mm(coverage: float) -> float:
    """Return the localisation error that a mean coverage of the model's electrodes lets expect.

    Examples
    --------
    >>> expected_error_mm(0.9), expected_error_mm(0.99)
    (31.0, 14.0)
    """
    return float(np.interp(coverage, COVERAGE, ERROR_MM))
