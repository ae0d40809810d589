"""What is measured of windows through a kernel is what each sample, imaged with it, would give."""

import numpy as np
import pytest
from convdip.feedback.covariances import Covariances
from convdip.frame import Kernel, Windowed
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

N_ELECTRODES, N_DIRECTIONS, N_DIPOLES = 5, 3, 20
LENGTHS = np.array([4, 9, 4])


def kernel(seed):
    rng = np.random.default_rng(seed)
    return Kernel(
        rng.standard_normal((N_ELECTRODES, N_DIRECTIONS)).astype(np.float32),
        rng.standard_normal((N_DIPOLES, N_DIRECTIONS)).astype(np.float32),
    )


@pytest.fixture(scope="module")
def weights():
    dense = np.zeros((3, N_DIPOLES))
    dense[0, 2:5], dense[1, 4:9], dense[2, 19] = 0.5, 0.2, 1.0
    return sparse.csr_array(dense)


def expected(weights, eeg, kernels, signed):
    """Image every sample of every window with the kernel that holds at the window's end."""
    means = np.full((len(eeg), 3), np.nan)
    for end in range(len(eeg)):
        held = [one for row, one in sorted(kernels.items()) if row <= end]
        if not held:
            continue
        for feature, length in enumerate(LENGTHS):
            window = np.zeros((length, N_ELECTRODES))
            part = eeg[max(0, end + 1 - length) : end + 1]
            window[length - len(part) :] = part
            moments = (window @ held[-1].whitener) @ held[-1].moments.T
            values = moments if signed else moments**2
            means[end, feature] = (values @ weights.toarray()[feature]).mean()
    return means


@given(
    cuts=st.sets(st.integers(1, 59), max_size=8),
    rows=st.sets(st.integers(0, 59), max_size=4),
    signed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_it_is_what_the_samples_would_give_in_any_chunks(weights, cuts, rows, signed, seed):
    eeg = np.random.default_rng(seed).standard_normal((60, N_ELECTRODES)).astype(np.float32)
    kernels = {row: kernel(row) for row in rows}
    windows = Covariances(weights, LENGTHS, signed=signed)
    found = []
    for part in np.split(np.arange(60), sorted(cuts)):
        # A kernel that came with the last sample of a chunk stands behind it.
        held = {
            row - part[0]: one
            for row, one in kernels.items()
            if part[0] < row <= part[-1] + 1 or row == part[0] == 0
        }
        found.append(windows(Windowed(eeg[part], tuple(sorted(held.items())))))
    np.testing.assert_allclose(
        np.concatenate(found), expected(weights, eeg, kernels, signed), rtol=1e-4, atol=1e-5
    )


def test_nothing_of_before_is_left_after_a_restart(weights):
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 30, N_ELECTRODES)).astype(np.float32)
    windows, fresh = (Covariances(weights, LENGTHS, signed=False) for _ in range(2))
    windows(Windowed(1e3 * one, ((0, kernel(0)),)))
    windows.restart()
    # The kernel stays, until there is a newer one.
    after = windows(Windowed(other))
    np.testing.assert_allclose(after, fresh(Windowed(other, ((0, kernel(0)),))), rtol=1e-6)


def test_rounding_errors_do_not_add_up(weights):
    """After large numbers, small ones are still right."""
    rng = np.random.default_rng(1)
    large = 1e6 * rng.standard_normal((50, N_ELECTRODES))
    small = 1e-6 * rng.standard_normal((50, N_ELECTRODES))
    windows = Covariances(weights, LENGTHS, signed=False)
    windows(Windowed(large.astype(np.float32), ((0, kernel(0)),)))
    found = windows(Windowed(small.astype(np.float32)))[-1]
    right = expected(weights, small, {0: kernel(0)}, signed=False)[-1]
    np.testing.assert_allclose(found, right, rtol=1e-3)
