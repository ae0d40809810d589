import numpy as np
import pytest
from convdip.patches import patch_dictionary
from convdip_training.evaluation.metrics import (
    METRICS,
    EarthMover,
    Scorer,
    auc,
    average_precision,
    dispersion_mm,
    distance_to_truth_m,
    local_maxima,
    match_maxima,
    mse,
    neighbour_table,
    nmse,
    peak_error_mm,
    relative_nmse,
    roc_pools,
    sign_agreement,
)


def line(n, step_m=1e-3):
    """Dipoles on a line, one millimetre apart."""
    return np.column_stack([np.arange(n) * step_m, np.zeros(n), np.zeros(n)])


def next_to(n):
    """Each dipole of a line has the one before and the one after as neighbours."""
    return np.column_stack([np.arange(-1, n - 1), np.append(np.arange(1, n), -1)])


def values(n, **at):
    """A map of zeros, but for ``v3=0.5``: 0.5 at dipole 3."""
    array = np.zeros(n)
    for name, value in at.items():
        array[int(name[1:])] = value
    return array


def areas(truth, estimate):
    places = line(len(truth))
    return auc(estimate, roc_pools(truth, distance_to_truth_m(truth, places)))


def test_peak_error_is_the_distance_of_the_maxima_whatever_their_sign():
    truth, estimate = values(100, v25=1.0), values(100, v30=-2.0, v10=1.0)
    assert peak_error_mm(truth, estimate, line(100)) == pytest.approx(5.0)
    assert peak_error_mm(truth, truth, line(100)) == 0.0
    assert np.isnan(peak_error_mm(truth, np.zeros(100), line(100)))
    assert np.isnan(peak_error_mm(np.zeros(100), estimate, line(100)))


def test_auc_of_a_perfect_map_an_empty_one_and_a_wrong_one():
    truth = np.zeros(1000)
    truth[500:510] = 1.0
    assert areas(truth, truth) == (1.0, 1.0)
    assert areas(truth, np.zeros(1000)) == (0.5, 0.5)
    assert areas(truth, 1 - truth) == (0.0, 0.0)
    assert np.isnan(areas(np.zeros(1000), truth)).all()
    assert np.isnan(areas(np.ones(1000), truth)).all()


def test_close_and_far_negatives_come_from_where_they_should():
    """A map too wide by 40 dipoles on each side fails near the truth and is perfect far off."""
    truth, wide = np.zeros(1000), np.zeros(1000)
    truth[500:510] = 1.0
    wide[460:550] = 1.0
    close, far = areas(truth, wide)
    # Of the 198 closest others 80 are as strong as the truth: each ties, which counts half.
    assert close == pytest.approx(1 - 0.5 * 80 / 198)
    assert far == 1.0


def test_auc_is_what_the_papers_draws_give_on_average():
    rng = np.random.default_rng(0)
    truth = np.zeros(400)
    truth[100:120] = 1.0
    estimate = rng.random(400) + 0.3 * truth
    pools = roc_pools(truth, distance_to_truth_m(truth, line(400)))
    drawn = []
    for _ in range(2000):
        negatives = rng.choice(pools.close, pools.positives.size)
        above = estimate[pools.positives][:, None] > estimate[negatives]
        drawn.append(above.mean())
    assert auc(estimate, pools)[0] == pytest.approx(np.mean(drawn), abs=0.005)


def test_average_precision_by_hand():
    truth, estimate = np.array([1.0, 0, 2, 0]), np.array([0.9, -0.8, 0.7, 0.1])
    assert average_precision(truth, estimate) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(truth, truth) == 1.0
    assert average_precision(truth, np.zeros(4)) == 0.5  # the share of positives
    assert np.isnan(average_precision(np.zeros(4), estimate))


def test_a_maximum_is_larger_than_its_neighbours_at_a_border_too():
    n = 100
    found = local_maxima(values(n, v0=1.0, v1=0.9, v60=0.7, v59=0.6, v61=0.6), next_to(n), line(n))
    assert found.tolist() == [0, 60]


def test_maxima_without_active_neighbours_do_not_count():
    n = 100
    lonely = values(n, v10=1.0, v9=0.9, v11=0.9, v60=0.8, v59=0.19, v61=0.19)
    assert local_maxima(lonely, next_to(n), line(n)).tolist() == [10]
    lonely[[59, 61]] = 0.2
    assert local_maxima(lonely, next_to(n), line(n)).tolist() == [10, 60]


def test_a_smaller_maximum_within_30_mm_of_a_larger_one_does_not_count():
    n = 100
    pair = values(n, v10=1.0, v9=0.9, v11=0.9, v39=0.8, v38=0.6, v40=0.6)
    assert local_maxima(pair, next_to(n), line(n)).tolist() == [10]
    assert local_maxima(pair, next_to(n), line(n, 1.1e-3)).tolist() == [10, 39]


def test_of_two_equal_neighbours_one_is_the_maximum():
    n = 100
    twins = values(n, v10=1.0, v11=1.0, v9=0.9, v12=0.9, v60=0.8, v61=0.8, v59=0.7, v62=0.7)
    assert local_maxima(twins, next_to(n), line(n)).tolist() == [10, 60]
    # Equal and within 30 mm: one of them.
    apart = values(n, v10=1.0, v9=0.9, v11=0.9, v30=1.0, v29=0.9, v31=0.9)
    assert local_maxima(apart, next_to(n), line(n)).tolist() == [10]


def test_a_map_of_zeros_and_a_level_map_have_no_maximum():
    for level in (0.0, 1.0):
        assert local_maxima(np.full(50, level), next_to(50), line(50)).size == 0


def test_maxima_are_matched_by_hand():
    at = lambda *mm: np.array([[x * 1e-3, 0, 0] for x in mm]).reshape(-1, 3)  # noqa: E731
    matches = match_maxima(at(0, 100), at(10, 60, 200))
    assert matches.error_mm == pytest.approx((10 + 40) / 2)
    assert (matches.found, matches.missed, matches.ghosts) == (50, 1, 2)
    perfect = match_maxima(at(0, 100), at(100, 0))
    assert (perfect.error_mm, perfect.found, perfect.missed, perfect.ghosts) == (0, 100, 0, 0)
    just = match_maxima(at(0), at(30.0001))
    assert (just.found, just.missed, just.ghosts) == (0, 1, 1)

    nothing = match_maxima(at(0, 100), at())
    assert np.isnan(nothing.error_mm)
    assert (nothing.found, nothing.missed, nothing.ghosts) == (0, 2, 0)
    no_truth = match_maxima(at(), at(5, 50))
    assert np.isnan([no_truth.error_mm, no_truth.found, no_truth.missed]).all()
    assert no_truth.ghosts == 2


def test_squared_errors_by_hand():
    truth, estimate = np.array([0.0, 2, 4, 0]), np.array([1.0, -2, 0, 0])
    assert mse(truth, estimate) == pytest.approx((1 + 16 + 16 + 0) / 4)
    # Over their maxima: 0, ½, 1, 0 and ½, 1, 0, 0.
    assert nmse(truth, estimate) == pytest.approx((0.25 + 0.25 + 1) / 4)
    assert relative_nmse(truth, estimate) == pytest.approx(1.5 / 1.25)
    assert nmse(truth, 7 * truth) == 0.0


def test_the_zero_map_has_relative_nmse_one_and_the_perfect_map_zero():
    truth = values(50, v3=2.0, v4=1.0)
    assert relative_nmse(truth, np.zeros(50)) == 1.0
    assert relative_nmse(truth, truth) == 0.0
    assert np.isnan(relative_nmse(np.zeros(50), truth))


def test_dispersion_by_hand():
    truth = values(100, v20=1.0, v21=1.0)
    distances = distance_to_truth_m(truth, line(100))
    # Half of the power on the truth, half 10 mm away.
    assert dispersion_mm(values(100, v20=1.0, v31=-1.0), distances) == pytest.approx(50**0.5)
    assert dispersion_mm(truth, distances) == 0.0
    assert np.isnan(dispersion_mm(np.zeros(100), distances))
    assert np.isnan(dispersion_mm(truth, distance_to_truth_m(np.zeros(100), line(100))))


def test_earth_is_moved_by_hand():
    move = EarthMover(line(100))
    assert move(values(100, v10=3.0), values(100, v15=0.1)) == pytest.approx(5.0)
    # Half stays, half moves 20 mm.
    assert move(values(100, v10=1.0), values(100, v10=1.0, v30=1.0)) == pytest.approx(10.0)
    assert move(values(100, v10=1.0), values(100, v10=4.0)) == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(move(values(100, v10=1.0), np.zeros(100)))
    assert np.isnan(move(np.zeros(100), values(100, v10=1.0)))


def test_gathering_the_earth_at_400_places_changes_its_distance_little(shipped):
    """Single dipoles: the distance is known."""
    places = shipped.head.dipoles_m.astype(float)
    move = EarthMover(places)
    pairs = np.random.default_rng(0).integers(len(places), size=(100, 2))
    moved = [move(values(5124, **{f"v{a}": 1}), values(5124, **{f"v{b}": 1})) for a, b in pairs]
    known = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1) * 1e3
    assert np.abs(np.array(moved) - known).max() < 15
    assert np.abs(np.array(moved) - known).mean() < 5


def test_neighbours_share_an_edge(toy_head):
    table = neighbour_table(toy_head)
    assert table.shape[0] == toy_head.n_dipoles
    for dipole in (0, 40, 200):
        edges = toy_head.triangles[(toy_head.triangles == dipole).any(axis=1)]
        assert set(table[dipole][table[dipole] >= 0]) == set(edges.ravel()) - {dipole}


def test_a_perfect_map_an_empty_one_and_one_that_sprays(toy_head):
    score = Scorer(toy_head)
    distances = np.linalg.norm(toy_head.dipoles_m - toy_head.dipoles_m[40], axis=1)
    truth = np.where(distances < 0.02, np.exp(-((distances / 0.01) ** 2)), 0.0) * 1e-9
    spray = np.random.default_rng(0).random(toy_head.n_dipoles)
    rows = score(truth, [truth, np.zeros_like(truth), spray], n_sources=1)
    perfect, empty, sprayed = (dict(zip(METRICS, row, strict=True)) for row in rows)
    best = {
        "auc_close": 1, "auc_far": 1, "auc": 1, "average_precision": 1, "peak_error": 0,
        "maxima_error": 0, "found": 100, "missed": 0, "ghosts": 0, "n_maxima": 1, "mse": 0,
        "nmse": 0, "relative_nmse": 0, "emd": 0, "dispersion": 0, "sign": 1,
    }  # fmt: skip
    assert perfect == pytest.approx(best, abs=1e-9)
    for name in ("peak_error", "maxima_error", "emd", "dispersion", "sign"):
        assert np.isnan(empty[name])
    assert (empty["auc"], empty["found"], empty["missed"], empty["ghosts"]) == (0.5, 0, 1, 0)
    assert empty["relative_nmse"] == 1
    assert sprayed["ghosts"] > 1
    assert sprayed["relative_nmse"] > 3
    assert abs(sprayed["auc"] - 0.5) < 0.2


def test_no_distance_of_the_strongest_dipoles_where_there_are_several_sources(toy_head):
    truth = values(toy_head.n_dipoles, v3=1.0, v200=0.9)
    row = Scorer(toy_head)(truth, [truth], n_sources=2)[0]
    assert np.isnan(row[list(METRICS).index("peak_error")])


def test_the_sign_is_right_where_it_is_that_of_the_truth():
    truth = values(50, v3=4.0, v4=-2.0, v5=1.0, v6=-1.0)
    assert sign_agreement(truth, truth * 0.01) == 1
    assert sign_agreement(truth, -truth) == 0
    # Weighted by the truth, over those that have a sign at all.
    assert sign_agreement(truth, values(50, v3=0.1, v4=5.0, v9=-7.0)) == pytest.approx(4 / 6)
    assert np.isnan(sign_agreement(truth, values(50, v9=1.0)))
    assert np.isnan(sign_agreement(truth, np.zeros(50)))


@pytest.fixture
def maps(walled_head):
    """Truths of two opposite patches, and estimates that have something of them."""
    rng = np.random.default_rng(1)
    patches = patch_dictionary(walled_head.triangles, walled_head.dipoles_m, 2).toarray()
    cortex = np.flatnonzero(walled_head.is_cortex)
    pairs = []
    for _ in range(10):
        one, other = rng.choice(cortex, 2, replace=False)
        truth = (patches[one] - 0.7 * patches[other]) * walled_head.is_cortex
        pairs.append((truth, truth + 0.3 * rng.standard_normal(truth.size)))
    return pairs


def test_scores_of_places_do_not_depend_on_the_maps_sign(walled_head, maps):
    score = Scorer(walled_head)
    sign, squared = (list(METRICS).index(name) for name in ("sign", "mse"))
    for truth, estimate in maps:
        as_it_is, turned = score(truth, [estimate, -estimate], n_sources=1)
        both = score(-truth, [-estimate], n_sources=1)[0]
        np.testing.assert_allclose(both, as_it_is, rtol=1e-12)
        assert turned[sign] == pytest.approx(1 - as_it_is[sign])
        assert turned[squared] > as_it_is[squared]
        rest = np.delete(np.arange(len(METRICS)), [sign, squared])
        np.testing.assert_allclose(turned[rest], as_it_is[rest], rtol=1e-12)


def test_what_a_map_holds_on_the_medial_wall_is_not_looked_at(walled_head, maps):
    score, wall = Scorer(walled_head), ~walled_head.is_cortex
    for truth, estimate in maps:
        loud = np.where(wall, 100.0, estimate)
        plain, louder = score(truth, [estimate, loud], n_sources=1)
        np.testing.assert_array_equal(louder, plain)


def test_maps_that_know_nothing_are_at_chance(walled_head, maps):
    score, rng = Scorer(walled_head), np.random.default_rng(2)
    n, cortex = walled_head.n_dipoles, walled_head.is_cortex
    rows, shares = [], []
    for truth, _ in maps:
        random = [rng.uniform(-1, 1, n) for _ in range(20)]
        rows.append(score(truth, [*random, np.zeros(n)], n_sources=1))
        shares.append((truth != 0).sum() / cortex.sum())
    scores = np.array(rows)
    of_random = dict(zip(METRICS, np.nanmean(scores[:, :-1], axis=(0, 1)), strict=True))
    of_zero = dict(zip(METRICS, scores[:, -1].mean(axis=0), strict=True))
    for name in ("auc", "auc_close", "auc_far", "sign"):
        assert of_random[name] == pytest.approx(0.5, abs=0.03)
    assert of_zero["auc"] == 0.5
    assert of_zero["average_precision"] == pytest.approx(np.mean(shares))
    assert of_random["average_precision"] == pytest.approx(np.mean(shares), abs=0.05)
