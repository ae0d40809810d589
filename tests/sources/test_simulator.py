from dataclasses import replace

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.sources.signs import Signs
from convdip.sources.simulator import LEAD_IN_S, simulate_session

SIGNS: tuple[Signs, ...] = ("positive", "random")


def test_sources_follow_one_another_after_the_lead_in(toy_head):
    session = simulate_session(toy_head, seconds=4.0, sfreq_hz=250.0, seed=3)
    assert session.eeg_uv.shape == (1500, 31)
    assert session.eeg_uv.dtype == np.float32
    assert len(session.sources) == 8
    assert session.sources[0].first == (LEAD_IN_S + 0.1) * 250
    for source in session.sources:
        assert source.last - source.first + 1 == 75  # 0.3 s on the plateau
        assert 5 <= abs(source.moment_nam) <= 10
        assert source.region == ("all-lh" if source.dipole < 162 else "all-rh")
    assert session.sources[-1].last < 1500


def test_on_a_plateau_the_eeg_is_the_source_s_topography(toy_head):
    session = simulate_session(toy_head, seconds=10.0, sfreq_hz=250.0, seed=3)
    likeness = []
    for source in session.sources:
        mean_uv = session.eeg_uv[source.first : source.last + 1].mean(axis=0)
        column = toy_head.lead_field[:, source.dipole] * source.moment_nam
        likeness.append(np.corrcoef(mean_uv, column)[0, 1])
    assert np.median(likeness) > 0.8
    before_uv = session.eeg_uv[: int(LEAD_IN_S * 250)]
    assert 0.1 < before_uv.std() < 50  # microvolts


def test_a_seed_gives_a_session(toy_head):
    first, again, other = (simulate_session(toy_head, 1.0, 250.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.eeg_uv, again.eeg_uv)
    assert first.sources == again.sources
    assert not np.array_equal(first.eeg_uv, other.eeg_uv)


def test_positive_and_random_signs_are_the_same_session_but_for_the_signs(toy_head):
    positive, random = (
        simulate_session(toy_head, 20.0, 100.0, seed=5, signs=signs) for signs in SIGNS
    )
    signs = np.array([np.sign(source.moment_nam) for source in random.sources])
    assert 10 < np.sum(signs == -1) < 30
    assert all(source.moment_nam > 0 for source in positive.sources)
    for one, other, sign in zip(positive.sources, random.sources, signs, strict=True):
        assert replace(one, moment_nam=sign * one.moment_nam) == other
        plateau = slice(one.first, one.last + 1)
        field = toy_head.lead_field[:, one.dipole]
        added = random.eeg_uv[plateau] - positive.eeg_uv[plateau]
        if sign > 0:
            np.testing.assert_array_equal(added, 0)
        else:
            assert np.corrcoef(added.mean(axis=0), -field)[0, 1] > 0.7


def test_no_source_touches_the_medial_wall(walled_head):
    """Where the wall's lead field is a thousand times as strong, no source looks different."""
    loud_field = np.where(
        walled_head.is_cortex, walled_head.lead_field, 1e3 * walled_head.lead_field
    )
    loud_head = replace(walled_head, lead_field=loud_field.astype(np.float32))
    added_uv = []
    for head in (walled_head, loud_head):
        positive, random = (
            simulate_session(head, 60.0, 50.0, seed=6, signs=signs) for signs in SIGNS
        )
        seeds = [source.dipole for source in random.sources]
        assert walled_head.is_cortex[seeds].all()
        assert len(set(seeds)) > 60
        added_uv.append(positive.eeg_uv - random.eeg_uv)  # twice each negative source
    largest = np.abs(added_uv[0]).max()
    np.testing.assert_allclose(added_uv[1], added_uv[0], atol=1e-4 * largest)


@pytest.mark.parametrize(("seconds", "sfreq_hz"), [(0.3, 500), (-5, 500), (10, 12), (1e9, 500)])
def test_a_session_that_cannot_be_is_refused(toy_head, seconds, sfreq_hz):
    with pytest.raises(ConfigError, match="expected"):
        simulate_session(toy_head, seconds, sfreq_hz, seed=1)
