"""Sham: a record's course in place of the person's own, with the person's own pauses."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.sham import TABLE, Sham
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 20.0
N = 200


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A record of 200 samples, 150 of them with feedback, and what that was."""
    folder = tmp_path_factory.mktemp("record")
    z = np.random.default_rng(0).standard_normal(N)
    is_valid = np.arange(N) % 4 > 0
    lines = ["stamp\talpha\tz\tvalue\tvalid"]
    lines += [
        f"{100 + i / SFREQ_HZ:.6f}\t1\t{z[i] if ok else float('nan'):.9g}\t0.5\t{int(ok)}"
        for i, ok in enumerate(is_valid)
    ]
    (folder / TABLE).write_text("\n".join(lines) + "\n")
    return folder, z[is_valid]


@given(cuts=st.lists(st.integers(1, 399), max_size=10), seed=st.integers(0, 100))
def test_it_is_replayed_in_order_and_pauses_with_the_person(recorded, cuts, seed):
    folder, fed_back = recorded
    own = np.random.default_rng(seed).standard_normal(400)
    own[np.random.default_rng(seed).random(400) < 0.3] = np.nan
    sham = Sham(folder, SFREQ_HZ)
    shown = np.concatenate([sham(part) for part in np.split(own, sorted(cuts))])
    assert np.array_equal(np.isnan(shown), np.isnan(own))
    given = shown[np.isfinite(shown)]
    np.testing.assert_allclose(given, np.resize(fed_back, len(given)), rtol=1e-6)


def test_a_file_does_as_well_as_its_folder(recorded):
    folder, _ = recorded
    own = np.zeros(10)
    assert np.array_equal(Sham(folder / TABLE, SFREQ_HZ)(own), Sham(folder, SFREQ_HZ)(own))


def test_what_is_no_record_is_refused(recorded, tmp_path):
    folder, _ = recorded
    with pytest.raises(ConfigError, match="no record at"):
        Sham(tmp_path / "absent.tsv", SFREQ_HZ)
    with pytest.raises(ConfigError, match="no record at"):
        Sham(tmp_path, SFREQ_HZ)
    with pytest.raises(ConfigError, match=r"of 20 Hz: expected that of the EEG, 250 Hz|has 0.6 s"):
        Sham(folder, 250)
    with pytest.raises(ConfigError, match="of 20 Hz: expected that of the EEG, 22 Hz"):
        Sham(folder, 22)
    for text in ("", "hello", "stamp\tz\tvalid\n1\tx\t1", "stamp\tz\n1\t2\n", "\0\0"):
        (tmp_path / TABLE).write_text(text)
        with pytest.raises(ConfigError, match=r"is no record|has 0 s of feedback"):
            Sham(tmp_path, SFREQ_HZ)
    short = (folder / TABLE).read_text().splitlines()[:50]
    (tmp_path / TABLE).write_text("\n".join(short))
    with pytest.raises(ConfigError, match=r"has 1.8 s of feedback: expected 5 s or more"):
        Sham(tmp_path, SFREQ_HZ)
