"""Real data: what is known of their topographies must be there before anything is imaged."""

from pathlib import Path

import numpy as np
import pytest
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.real import (
    faces,
    image_real,
    load_real,
    median_nerve,
    pictures,
    targets,
)


def at_peak(real, head):
    eeg_uv = real.erp.average[real.erp.peak] * 1e6
    return dict(zip(head.channels, eeg_uv, strict=True))


def test_the_median_nerves_potentials_are_over_the_left_hand_area(shipped):
    n20 = at_peak(median_nerve(shipped.head, "N20", 19.3e-3), shipped.head)
    assert min(n20, key=n20.get) in ("C3", "CP5", "CP1", "P3")
    p30 = median_nerve(shipped.head, "P30", 29.6e-3)
    topography = at_peak(p30, shipped.head)
    assert max(topography, key=topography.get) in ("C3", "CP5", "CP1", "P3")
    assert topography["Fp1"] < 0  # N30
    assert topography["Fp2"] < 0
    assert p30.peak_ms == pytest.approx(29.6, abs=0.3)
    strength = p30.erp.average.std(axis=1)
    assert strength[: p30.erp.n_baseline].max() < 0.3 * strength[p30.erp.peak]


def test_eloreta_puts_the_p30_into_the_left_hand_area(shipped):
    p30 = median_nerve(shipped.head, "P30", 29.6e-3)
    [row] = image_real([p30], {"eLORETA": MinimumNorm(shipped.head, "eLORETA")}, shipped.head, True)
    found = row["methods"]["eLORETA"]
    assert found["as_expected"]
    assert found["distance_mm"] < 30
    assert found["explained_variance"] > 0.9


def test_faces_are_negative_at_p8(shipped, recording):
    real = faces(recording("evoked/faces_n170/faces-ave.fif"), shipped.head)
    topography = at_peak(real, shipped.head)
    assert min(topography, key=topography.get) in ("P8", "TP10")
    assert topography["P8"] < -3
    assert 150 < real.peak_ms < 180
    np.testing.assert_allclose(real.erp.average.mean(axis=1), 0, atol=1e-12)


def test_pictures_and_targets_are_read(shipped, recording):
    for path in sorted(recording("evoked/uci_vep").glob("*.fif")):
        real = pictures(path, shipped.head)
        assert real.erp.trials.shape[::2] == (30, 31)
        assert 140 <= real.peak_ms <= 220
    for path in sorted(recording("evoked/erpcore_p3").glob("*.fif")):
        real = targets(path, shipped.head)
        assert at_peak(real, shipped.head)["Pz"] > 0
        assert 250 <= real.peak_ms <= 600


def test_what_is_not_there_is_left_out_and_said(shipped, tmp_path, caplog):
    found = load_real(shipped.head, tmp_path)
    assert [real.name for real in found] == ["SEP N20", "SEP P30"]
    for name in ("faces_n170", "uci_vep", "erpcore_p3"):
        assert name in caplog.text


def test_data_are_looked_for_where_the_documentation_says(recording):
    from convdip_training.config import DEFAULT_DATA
    from convdip_training.evaluation.laboratory import HELD_OUT

    documented = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    for name in HELD_OUT:
        assert Path(name).parent.name in documented
        assert recording(name) == DEFAULT_DATA / name
