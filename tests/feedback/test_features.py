"""How active regions are: over a window that looks back, and never where it is not known."""

import numpy as np
import pytest
from convdip import Feature, Features, Filters, Imager
from convdip.errors import ConfigError
from convdip.feedback.features import Suspended
from convdip.feedback.regions import atlas_regions, find_regions
from convdip.frame import Artefact, Flags, Frame, Invalid, StageTimes
from convdip.live.conditioning import Conditioner
from convdip.live.loop.delay import half_way_s
from convdip.mni import mni_mm
from convdip.sources.background import background_eeg
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 100.0


def frame(moments, flags=None):
    n = len(moments)
    times = StageTimes(*(np.nan,) * 4)
    fit = np.ones(n, np.float32)
    stamps = np.arange(n) / SFREQ_HZ
    return Frame(np.asarray(moments, np.float32), fit, fit, stamps, times, flags or Flags())


def moments_of(head, n, seed=0):
    return np.random.default_rng(seed).standard_normal((n, head.n_dipoles)).astype(np.float32)


def test_they_are_what_they_say(shipped):
    head = shipped.head
    wide = max(atlas_regions(head), key=lambda region: region.dipoles.size)
    made = Features(
        head,
        [
            Feature("power", (wide.name,), "power", 0.2),
            Feature("amplitude", (wide.name,), "amplitude", 0.2),
            Feature("moment", (wide.name,), "moment", 0.1),
        ],
        SFREQ_HZ,
    )
    moments = moments_of(head, 30)
    values, why = made(frame(moments))
    assert why is Suspended.NOT
    own = moments[:, wide.dipoles].astype(float)
    power = np.square(own[-20:]).mean()
    np.testing.assert_allclose(values[-1, :2], [power, power**0.5], rtol=1e-6)
    signed = own[-10:].mean(axis=0)
    # Which dipoles face the other way is told by their normals alone.
    assert abs(values[-1, 2]) <= np.abs(signed).mean() + 1e-9
    assert made.units == ("nAm²", "nAm", "nAm")


def test_a_sheet_that_is_active_as_a_whole_has_the_moment_of_its_dipoles(shipped):
    head = shipped.head
    crowns = []
    for place in head.dipoles_m[head.is_cortex][::10]:
        [sphere] = find_regions(head, ["mni:{} {} {} 7".format(*mni_mm(place))])
        normals = head.normals[sphere.dipoles]
        if (normals @ normals.T).min() > 0.2 and sphere.dipoles.size > 1:
            crowns.append(sphere)
    assert len(crowns) > 3  # each of which faces one way
    for sphere in crowns:
        for sign in (1, -1):
            moments = np.zeros((5, head.n_dipoles))
            moments[:, sphere.dipoles] = 3 * sign
            made = Features(head, [Feature("m", (sphere.name,), "moment", 0.02)], SFREQ_HZ)
            np.testing.assert_allclose(made(frame(moments)).values[-1], 3 * sign, rtol=1e-6)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_how_samples_are_cut_into_frames_changes_nothing(shipped, sizes):
    head = shipped.head
    features = [Feature("a", ("cuneus",), "power", 0.07), Feature("b", ("insula",), "moment", 0.2)]
    moments = moments_of(head, sum(sizes), 1)
    whole, _ = Features(head, features, SFREQ_HZ)(frame(moments))
    piecewise = Features(head, features, SFREQ_HZ)
    cuts = np.cumsum(sizes)[:-1]
    parts = [piecewise(frame(part)).values for part in np.split(moments, cuts)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("measure", ["power", "amplitude"])
@pytest.mark.parametrize("band_hz", [(4, 8), (8, 12), (12, 15), (13, 30)])
def test_a_step_of_a_rhythm_is_half_way_after_the_stated_delay(shipped, band_hz, measure):
    """Filtered as the service does it, in one region, whatever the phase at which it begins."""
    head, sfreq_hz, n = shipped.head, 500.0, 1500
    feature = Feature("a", ("cuneus",), measure, 0.25)
    filters = Filters(band_hz=band_hz)
    assert filters.centre_hz is not None
    stated_s = half_way_s(feature, filters, sfreq_hz)
    courses = []
    for phase in np.linspace(0, np.pi, 8, endpoint=False):
        course = np.zeros((n + 1000, 1))
        course[1000:, 0] = np.sin(2 * np.pi * filters.centre_hz * np.arange(n) / sfreq_hz + phase)
        conditioner = Conditioner(filters, sfreq_hz)
        filtered = np.concatenate([conditioner(part) for part in np.array_split(course, 90)])
        made = Features(head, [feature], sfreq_hz)
        moments = filtered * (head.in_regions(["cuneus"])[None] + 0.0)
        courses.append(made(frame(moments)).values[1000:, 0])
    course = np.mean(courses, axis=0)
    half = np.flatnonzero(course > np.median(course[-500:]) / 2)[0]
    assert half / sfreq_hz == pytest.approx(stated_s, abs=0.005)


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (Flags(artefact=Artefact.BLINK), Suspended.ARTEFACT),
        (Flags(artefact=Artefact.MUSCLE), Suspended.ARTEFACT),
        (Flags(invalid=Invalid.COVERAGE), Suspended.INVALID),
        (Flags(n_missing=3), Suspended.FILLING),
        (Flags(is_resumed=True), Suspended.FILLING),
    ],
)
def test_there_is_no_value_where_the_eeg_says_nothing(shipped, flags, why):
    """And none until the window holds only what came after it."""
    head = shipped.head
    made = Features(head, [Feature("a", ("cuneus",), "power", 0.1)], SFREQ_HZ)
    made(frame(moments_of(head, 20)))
    loud = 1000 * moments_of(head, 3)
    if flags.invalid is not Invalid.NOT:
        loud[:] = np.nan
    values, said = made(frame(loud, flags))
    assert np.isnan(values).all()
    assert said is why
    after = [made(frame(moments_of(head, 1, i))) for i in range(12)]
    lacking = [bool(np.isnan(values[0, 0])) for values, _ in after]
    n_counted = 3 if why is Suspended.FILLING else 0  # those samples themselves are sound
    assert lacking == [True] * (9 - n_counted) + [False] * (3 + n_counted)
    assert after[-1].suspended is Suspended.NOT
    if not n_counted:
        assert after[-1].values[0, 0] < 10


def test_a_region_without_any_source_has_no_value(shipped):
    head = shipped.head
    moments = moments_of(head, 20)
    for region in find_regions(head, ["cuneus"]):
        moments[:, region.dipoles] = 0
    two = [Feature("a", ("cuneus",), "power", 0.1), Feature("b", ("insula",), "power", 0.1)]
    values, why = Features(head, two, SFREQ_HZ)(frame(moments))
    assert np.isnan(values[-1, 0])
    assert np.isfinite(values[-1, 1])
    assert why is Suspended.NOTHING


def test_small_regions_are_not_favoured(shipped):
    """Of background EEG, the strongest region is a small one as often as is its share of cortex."""
    head = shipped.head
    regions = atlas_regions(head)
    each = [Feature(region.name, (region.name,), "power", 0.001) for region in regions]
    made = Features(head, each, SFREQ_HZ)
    parts = [background_eeg(head, 500, SFREQ_HZ, np.random.default_rng(i))[::10] for i in range(40)]
    imager = Imager(head.channels, model=shipped, provider="cpu")
    strongest = np.nanargmax(made(imager(np.concatenate(parts))).values, axis=1)
    sizes = np.array([region.dipoles.size for region in regions])
    small = sizes < np.median(sizes) / 2
    assert small[strongest].mean() < 1.5 * sizes[small].sum() / sizes.sum()


@pytest.mark.parametrize("window_s", [0, -1, 1000, np.nan])
def test_windows_that_cannot_be_are_refused(shipped, window_s):
    with pytest.raises(ConfigError, match="window"):
        Features(shipped.head, [Feature("a", ("cuneus",), "power", window_s)], SFREQ_HZ)


def test_a_feature_of_nothing_is_refused(shipped):
    with pytest.raises(ConfigError, match="has no region"):
        Features(shipped.head, [Feature("a", ())], SFREQ_HZ)
    with pytest.raises(ConfigError, match="one or more"):
        Features(shipped.head, [], SFREQ_HZ)


def test_nothing_adds_up_over_hours(shipped):
    """Sums that are kept are those of the window, whatever went through it."""
    head, n = shipped.head, 3000
    features = [Feature("a", ("cuneus",), "power", 0.37), Feature("b", ("insula",), "power", 0.05)]
    made = Features(head, features, SFREQ_HZ)
    moments = moments_of(head, n, 5)
    moments[500] *= 1e6  # a moment that no brain has, and that no one flagged
    values = np.concatenate([made(frame(part)).values for part in np.array_split(moments, 400)])
    fresh = Features(head, features, SFREQ_HZ)(frame(moments[-60:])).values[-1]
    np.testing.assert_allclose(values[-1], fresh, rtol=1e-6)
    assert values[900:].max() < 10


def test_moments_that_are_no_numbers_are_no_value_even_without_a_flag(shipped):
    head = shipped.head
    made = Features(head, [Feature("a", ("cuneus",), "power", 0.1)], SFREQ_HZ)
    made(frame(moments_of(head, 20)))
    broken = moments_of(head, 3)
    broken[1] = np.nan
    values, why = made(frame(broken))
    assert np.isnan(values).all()
    assert why is Suspended.INVALID
    assert np.isfinite(made(frame(moments_of(head, 10))).values[-1]).all()
