import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.sources.simulator import LEAD_IN_S, simulate_session


def test_sources_follow_one_another_after_the_lead_in(toy_head):
    session = simulate_session(toy_head, seconds=4.0, sfreq_hz=250.0, seed=3)
    assert session.eeg_uv.shape == (1500, 31)
    assert session.eeg_uv.dtype == np.float32
    assert len(session.sources) == 8
    assert session.sources[0].first == (LEAD_IN_S + 0.1) * 250
    for source in session.sources:
        assert source.last - source.first + 1 == 75  # 0.3 s on the plateau
        assert 5 <= source.moment_nam <= 10
        assert source.region == ("all-lh" if source.dipole < 162 else "all-rh")
    assert session.sources[-1].last < 1500


def test_on_a_plateau_the_eeg_is_the_source_s_topography(toy_head):
    session = simulate_session(toy_head, seconds=10.0, sfreq_hz=250.0, seed=3)
    likeness = []
    for source in session.sources:
        mean_uv = session.eeg_uv[source.first : source.last + 1].mean(axis=0)
        column = toy_head.lead_field[:, source.dipole]
        likeness.append(np.corrcoef(mean_uv, column)[0, 1])
    assert np.median(likeness) > 0.8
    before_uv = session.eeg_uv[: int(LEAD_IN_S * 250)]
    assert 0.1 < before_uv.std() < 50  # microvolts


def test_a_seed_gives_a_session(toy_head):
    first, again, other = (simulate_session(toy_head, 1.0, 250.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.eeg_uv, again.eeg_uv)
    assert first.sources == again.sources
    assert not np.array_equal(first.eeg_uv, other.eeg_uv)


@pytest.mark.parametrize(("seconds", "sfreq_hz"), [(0.3, 500), (-5, 500), (10, 12), (1e9, 500)])
def test_a_session_that_cannot_be_is_refused(toy_head, seconds, sfreq_hz):
    with pytest.raises(ConfigError, match="expected"):
        simulate_session(toy_head, seconds, sfreq_hz, seed=1)
