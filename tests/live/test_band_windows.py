"""Windows of several bands, looked at in turn, with a model for any cap."""

from dataclasses import replace

import numpy as np
import pytest
from convdip import Feature, Features, Filters, Imager, Service
from convdip.errors import ConfigError
from convdip.feedback.features import Suspended
from convdip.feedback.regions import atlas_regions
from convdip.frame import Invalid, Windowed
from convdip.live.loop.feature_settings import FeatureSettings
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg

SFREQ_HZ = 125.0
BANDS = ((8.0, 12.0), (18.0, 26.0))


@pytest.fixture
def imager(any_cap, any_cap_network):
    def make(**how):
        return Imager(
            any_cap.head.channels,
            "uV",
            sfreq_hz=SFREQ_HZ,
            model=any_cap,
            network=any_cap_network,
            **{"look_s": 0.5, "bands": BANDS, "filters": Filters(high_pass_hz=1.0), **how},
        )

    return make


def middle(head, name):
    """Return a dipole in the middle of a region."""
    [region] = [region for region in atlas_regions(head) if region.name == name]
    offsets_m = head.dipoles_m[region.dipoles] - region.centroid_m(head)
    return int(region.dipoles[np.linalg.norm(offsets_m, axis=1).argmin()])


def two_rhythms(head, n, seed=0):
    """Return EEG in µV: 10 Hz in the left cuneus, 22 Hz in the right precentral gyrus."""
    eeg_uv = 1.0 * background_eeg(head, n, SFREQ_HZ, np.random.default_rng(seed))
    patches = patch_dictionary(head.triangles, head.dipoles_m, 3)
    for hz, name in ((10, "cuneus-lh"), (22, "precentral-rh")):
        topography = head.lead_field @ patches[[middle(head, name)]].toarray()[0]
        course = np.sin(2 * np.pi * hz * np.arange(n) / SFREQ_HZ)
        eeg_uv += course[:, None] * topography / np.abs(topography).max() * 8
    return eeg_uv


def by_region(head, band):
    return [Feature(one.name, (one.name,), "power", 0.5, band) for one in atlas_regions(head)]


def test_each_rhythm_is_found_in_its_band_and_region(any_cap, imager):
    head, n = any_cap.head, 500
    frame = imager()(two_rhythms(head, n))
    assert frame.moments_nam.shape == (n, head.n_dipoles)
    assert not frame.bands
    assert len(frame.windows) == 2
    for band, name in zip(BANDS, ("cuneus", "precentral"), strict=True):
        measure = Features(head, by_region(head, band), SFREQ_HZ, BANDS)
        values, why = measure(frame)
        assert why is Suspended.NOT
        found = [measure.features[i].name for i in np.argsort(-values[-1])[:3]]
        assert any(one.startswith(name) for one in found), found


def test_the_strength_is_that_of_the_dipoles_over_the_window(any_cap, imager):
    head, length = any_cap.head, round(0.5 * SFREQ_HZ)
    frame = imager(bands=BANDS[1:])(two_rhythms(head, 500))
    [windowed] = frame.windows
    row, kernel = windowed.kernels[-1]
    eeg = windowed.eeg[:row]  # what the network had just seen
    moments = eeg[-length:] @ kernel.whitener @ kernel.moments.T
    [region] = [region for region in atlas_regions(head) if region.name == "precentral-rh"]
    seen = replace(
        frame,
        moments_nam=frame.moments_nam[:row],
        timestamps=frame.timestamps[:row],
        windows=(Windowed(eeg, ((0, kernel),)),),
    )
    feature = Feature("a", (region.name,), "amplitude", length / SFREQ_HZ, BANDS[1])
    found = Features(head, [feature], SFREQ_HZ, BANDS[1:])(seen).values[-1, 0]
    expected = np.sqrt(np.square(moments[:, region.dipoles]).mean())
    assert found == pytest.approx(expected, rel=1e-3)


def test_cuts_change_nothing(any_cap, imager):
    head, eeg_uv = any_cap.head, two_rhythms(any_cap.head, 400)
    own = by_region(head, BANDS[0])[:20]
    found = []
    for cuts in ([], [1, 7, 60, 64, 65, 200, 333]):
        image, measure = imager(), Features(head, own, SFREQ_HZ, BANDS)
        parts = np.split(eeg_uv, cuts)
        found.append(np.concatenate([measure(image(part)).values for part in parts]))
    np.testing.assert_allclose(found[0], found[1], rtol=2e-2, atol=1e-3 * np.nanmax(found[0]))
    assert np.isfinite(found[0][-1]).all()


def test_there_is_nothing_before_the_first_look_nor_of_what_cannot_be_imaged(any_cap, imager):
    head, eeg_uv = any_cap.head, two_rhythms(any_cap.head, 500)
    image = imager()
    measure = Features(head, by_region(head, BANDS[1])[:3], SFREQ_HZ, BANDS)
    values, why = measure(image(eeg_uv[:62]))
    assert np.isnan(values).all()
    assert why is Suspended.FILLING
    values, why = measure(image(eeg_uv[62:200]))
    assert why is Suspended.NOT
    frame = image(np.zeros((300, len(head.channels))))
    assert frame.flags.invalid is Invalid.SIGNAL
    values, why = measure(frame)
    assert np.isnan(values).all()
    assert why is Suspended.INVALID


def test_the_own_band_is_measured_of_samples(any_cap, imager):
    """As without windows: they are imaged anyway."""
    head, eeg_uv = any_cap.head, two_rhythms(any_cap.head, 200)
    own = by_region(head, None)[:5]
    beside, alone = (
        Features(head, own, SFREQ_HZ, bands)(imager(bands=bands)(eeg_uv)).values
        for bands in (BANDS, ())
    )
    np.testing.assert_allclose(beside, alone, rtol=1e-3)


def test_models_of_single_samples_look_at_no_windows(shipped):
    with pytest.raises(ConfigError, match="takes single samples alone"):
        Imager(
            shipped.head.channels, "uV", sfreq_hz=SFREQ_HZ, model=shipped, look_s=0.5, bands=BANDS
        )
    with pytest.raises(ConfigError, match="`look_s`"):
        Imager(shipped.head.channels, "uV", model=shipped, look_s=0.5)


def test_feedback_of_windows_over_lsl(any_cap, unique, sender, listen):
    """Two bands and their contrast, with a model for any cap."""
    head, n = any_cap.head, 600
    features = {
        "alpha": FeatureSettings("cuneus-lh, pericalcarine-lh", band_hz=BANDS[0]),
        "beta": FeatureSettings("precentral-rh", "amplitude", band_hz=BANDS[1]),
        "both": FeatureSettings(of="log(alpha) - log(beta)"),
    }
    with Service(
        unique, unique, model="convdip-anycap", provider="cpu", features=features, keep=True,
        wait_s=60,
    ):  # fmt: skip
        assert sender.outlet.wait_for_consumers(60)
        listener = listen(unique)
        sender.keep_pace(two_rhythms(head, n), listener)
    values = np.array(listener.rows["Features"])
    assert np.isfinite(values[-50:, :3]).all()
    np.testing.assert_allclose(
        values[-50:, 2], np.log(values[-50:, 0]) - np.log(values[-50:, 1]), rtol=1e-3, atol=1e-4
    )
    regions = np.array(listener.rows["ROI"])[-1]
    assert np.isfinite(regions).all()
