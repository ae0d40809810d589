"""From the stream's numbers to an image: what a person's EEG brings, and what comes of it."""

import functools

import numpy as np
import pytest
from convdip import Filters, Imager
from convdip.errors import ConfigError, MontageError
from convdip.frame import Artefact, Invalid
from convdip.live.preparation import LEAST_COVERAGE
from convdip.sources.recordings import read_recording
from convdip.sources.simulator import simulate_session

SFREQ_HZ = 200.0
# Those of the nineteen of the 10-20 system that the model has.
CLINICAL = [
    "Fp1", "Fp2", "F7", "F3", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4",
    "P8", "O1", "O2",
]  # fmt: skip


@pytest.fixture(scope="module")
def session(shipped):
    return simulate_session(shipped.head, 16, SFREQ_HZ, 11)


@pytest.fixture(scope="module")
def network(shipped):
    return Imager(shipped.head.channels, model=shipped, provider="cpu").network


@pytest.fixture(scope="module")
def imager(shipped, network):
    def make(labels=None, **how):
        how = {"sfreq_hz": SFREQ_HZ, "model": shipped, "network": network} | how
        return Imager(labels or shipped.head.channels, "uV", **how)

    return make


@pytest.fixture(scope="module")
def undisturbed(imager, session):
    """Return the frame of the session as it is, imaged once for each way."""
    return functools.cache(lambda **how: imager(**how)(session.eeg_uv))


@pytest.fixture
def error_mm(shipped, session):
    """Return the mean error over sources that come on after ten seconds."""

    def of(frame):
        head, errors = shipped.head, []
        for source in session.sources:
            if source.first > 10 * SFREQ_HZ:
                middle = (source.first + source.last) // 2
                strongest = head.strongest(frame.moments_nam[[middle]])[0]
                offset_m = head.dipoles_m[strongest] - head.dipoles_m[source.dipole]
                errors.append(np.linalg.norm(offset_m) * 1e3)
        return np.mean(errors)

    return of


def disturbed(eeg_uv, kind):
    """Return EEG as amplifiers send it."""
    rng, time_s = np.random.default_rng(3), np.arange(len(eeg_uv))[:, None] / SFREQ_HZ
    n = eeg_uv.shape[1]
    return (
        eeg_uv
        + {
            "offsets of 100 µV": rng.standard_normal(n) * 100,
            "offsets of 5 mV": rng.standard_normal(n) * 5e3,
            "offsets of 100 mV": rng.standard_normal(n) * 1e5,
            "drift of 10 µV/s": time_s * rng.standard_normal(n) * 10,
            "drift of 50 µV/s": time_s * rng.standard_normal(n) * 50,
            "50 Hz of 0 to 20 µV": np.sin(2 * np.pi * 50 * time_s) * rng.uniform(0, 20, n),
            "60 Hz of 0 to 20 µV": np.sin(2 * np.pi * 60 * time_s) * rng.uniform(0, 20, n),
        }[kind]
    )


@pytest.mark.parametrize(
    "kind",
    [
        "offsets of 100 µV", "offsets of 5 mV", "offsets of 100 mV", "drift of 10 µV/s",
        "drift of 50 µV/s", "50 Hz of 0 to 20 µV", "60 Hz of 0 to 20 µV",
    ],
)  # fmt: skip
def test_what_amplifiers_add_costs_less_than_a_millimetre(
    imager, session, undisturbed, error_mm, kind
):
    notch_hz = float(kind[:2]) if "Hz" in kind else None
    clean = undisturbed(filters=Filters(notch_hz=notch_hz))
    found = imager()
    frame = found(disturbed(session.eeg_uv, kind))
    assert found.preparation.conditioner.filters.notch_hz == (notch_hz or "auto")
    assert not found.preparation.electrodes.reasons
    assert error_mm(frame) < error_mm(clean) + 1


@pytest.mark.parametrize("kind", ["rail", "noise", "flat", "nan", "offset"])
def test_a_bad_electrode_costs_what_it_costs_to_leave_it_out(
    imager, session, undisturbed, error_mm, kind
):
    for electrode in (0, 22):
        without = undisturbed(bad=(imager().montage.names[electrode],))
        samples = session.eeg_uv.astype(float)
        after = samples[round(3 * SFREQ_HZ) :, electrode]
        white = np.random.default_rng(0).standard_normal(len(after))
        after[:] = {
            "rail": np.full_like(after, 375e3),
            "noise": after + 500 * white,
            "flat": np.full_like(after, after[0]),
            "nan": np.full_like(after, np.nan),
            "offset": after + 5e3 + 300e3 * (white > 2),  # a contact that comes and goes
        }[kind]
        with_it = imager()
        frame = with_it(samples)
        assert list(with_it.preparation.electrodes.reasons) == [with_it.montage.names[electrode]]
        settled = frame.moments_nam[round(6 * SFREQ_HZ) :]
        np.testing.assert_allclose(
            settled, without.moments_nam[round(6 * SFREQ_HZ) :], atol=1e-3 * np.abs(settled).max()
        )
        assert abs(error_mm(frame) - error_mm(without)) < 2
        assert np.isfinite(frame.moments_nam).all()


def test_one_chunk_is_many(imager, session):
    samples = session.eeg_uv[:1600].astype(float) + 40
    samples[700:, 12] = 1e5
    samples[900:1000, 3] = np.nan
    whole = imager()(samples)
    for cut in (1, 17, 64):
        pieces = imager()
        parts = [pieces(samples[i : i + cut]).moments_nam for i in range(0, len(samples), cut)]
        np.testing.assert_allclose(
            np.concatenate(parts), whole.moments_nam, atol=2e-5 * np.abs(whole.moments_nam).max()
        )


def test_half_a_cap_is_not_valid_and_nineteen_clinical_electrodes_are(
    imager, session, shipped, error_mm
):
    head = shipped.head
    few = imager(CLINICAL)
    assert few.preparation.coverage.mean() > LEAST_COVERAGE
    frame = few(session.eeg_uv[:, [head.channels.index(name) for name in CLINICAL]])
    assert frame.flags.invalid is Invalid.NOT
    assert error_mm(frame) < 60  # by chance: 80

    left = head.electrodes_m[:, 0] < 0.01
    half = imager([name for name, there in zip(head.channels, left, strict=True) if there])
    frame = half(session.eeg_uv[:100, left])
    assert frame.flags.invalid is Invalid.COVERAGE
    assert np.isnan(frame.moments_nam).all()
    assert np.isnan(frame.goodness_of_fit).all()


def test_a_cap_that_comes_off_is_not_valid_until_it_is_back(imager, session):
    samples = session.eeg_uv[:2000].astype(float)
    samples[800:1000, :22] = 2e5
    frame = imager()(samples)
    is_nan = np.isnan(frame.moments_nam).all(axis=1)
    assert not is_nan[:800].any()
    assert is_nan[800:1000].all()
    assert not is_nan[-200:].any()
    assert frame.flags.invalid is Invalid.COVERAGE


def test_an_electrode_in_another_unit_is_left_out(imager, session):
    for factor in (1e-3, 1e3):
        samples = session.eeg_uv[:1000].astype(float)
        samples[:, 22] *= factor
        found = imager()
        frame = found(samples)
        assert list(found.preparation.electrodes.reasons) == [found.montage.names[22]]
        assert frame.flags.invalid is Invalid.NOT


def test_a_gain_that_changes_by_a_thousand_is_not_imaged(imager, session):
    samples = session.eeg_uv[:1400].astype(float)
    samples[700:] *= 1000
    frame = imager()(samples)
    assert np.isfinite(frame.moments_nam[:700]).all()
    assert np.isnan(frame.moments_nam[900:]).all()
    assert np.nanmax(np.abs(frame.moments_nam)) < 2000


def test_no_signal_is_not_valid(imager):
    frame = imager()(np.zeros((600, 31)))
    assert np.isnan(frame.moments_nam[-200:]).all()


def test_an_electrode_that_is_kept_spoils_what_it_must(imager, session):
    samples = session.eeg_uv[:800].astype(float)
    samples[500, 4] = np.nan
    frame = imager(keep=True)(samples)
    assert np.isnan(frame.moments_nam[500]).all()
    assert np.isfinite(np.delete(frame.moments_nam, 500, axis=0)).all()


def test_an_electrode_left_out_by_hand_spoils_nothing_whatever_it_sends(imager, session):
    samples = session.eeg_uv[:400].astype(float)
    expected = imager(bad=["C4"], keep=True)(samples).moments_nam
    for nothing in (np.nan, 3e38, 1e15):
        spoilt = samples.copy()
        spoilt[:, imager().montage.names.index("C4")] = nothing
        frame = imager(bad=["C4"], keep=True)(spoilt)
        np.testing.assert_array_equal(frame.moments_nam, expected)
        # Kept and not left out, it does.
        frame = imager(keep=True)(spoilt)
        assert np.isnan(frame.moments_nam).all()
        assert frame.flags.invalid is Invalid.NUMBER


def test_what_a_signal_needs_is_asked_for(shipped, network):
    for how in ({"bad": ["C4"]}, {"keep": True}, {"filters": Filters(band_hz=(8, 12))}):
        with pytest.raises(ConfigError, match="for a signal: expected its `sfreq_hz`"):
            Imager(shipped.head.channels, model=shipped, network=network, **how)
    with pytest.raises(MontageError, match="`bad` names C44"):
        Imager(shipped.head.channels, model=shipped, network=network, sfreq_hz=100, bad="C44")


def test_zeros_are_no_signal_from_the_first_sample_on(imager, session):
    frame = imager()(np.concatenate([np.zeros((30, 31)), session.eeg_uv[:300]]))
    is_nan = np.isnan(frame.moments_nam).all(axis=1)
    assert is_nan[:30].all()
    assert not is_nan[80:].any()


def test_samples_that_are_skipped_are_filtered(imager, session):
    samples = session.eeg_uv[:600] + 1e4
    whole = imager()(samples)
    some = imager()
    some(samples[:200])
    some.preparation.skip(samples[200:400])
    rest = some(samples[400:])
    np.testing.assert_allclose(
        rest.moments_nam, whole.moments_nam[400:], atol=2e-5 * np.abs(whole.moments_nam).max()
    )


def test_after_a_restart_an_offset_is_taken_out_at_once(imager, session):
    changed = imager()
    changed(session.eeg_uv[:400])
    changed.preparation.restart()
    samples = session.eeg_uv[400:800]
    fresh = imager()(samples + 3e4)
    np.testing.assert_allclose(
        changed(samples + 3e4).moments_nam,
        fresh.moments_nam,
        atol=1e-5 * np.abs(fresh.moments_nam).max(),
    )


@pytest.mark.parametrize(
    ("name", "expected", "least", "most"),
    [
        ("eegmmidb_128Hz/test_edf_overlapping_annotations.edf", Artefact.BLINK, 0.05, 0.8),
        ("eegmmidb_S001/S001R02.edf", Artefact.BLINK, 0.0, 0.1),
        ("eegmmidb_S001/S001R02.edf", Artefact.MUSCLE, 0.0, 0.1),
    ],
)
def test_blinks_are_flagged_where_there_are_some(recording, shipped, name, expected, least, most):
    raw = read_recording(recording(f"eeg/{name}"))
    found = Imager(
        raw.ch_names, "V", sfreq_hz=raw.info["sfreq"], model=shipped, provider="cpu"
    ).preparation
    flags, hop = [], found.electrodes.n_hop
    samples = raw.get_data(stop=round(60 * raw.info["sfreq"])).T
    for first in range(0, len(samples), hop):
        found.skip(samples[first : first + hop])
        found.look()
        flags.append(found.artefact)
    share = np.mean([flag is expected for flag in flags])
    assert least <= share <= most, share


def test_eyes_closed_is_no_blank_cortex_and_its_alpha_is_occipital(recording, shipped, network):
    raw = read_recording(recording("eeg/eegmmidb_S001/S001R02.edf"))
    head, sfreq_hz = shipped.head, raw.info["sfreq"]
    how = {"sfreq_hz": sfreq_hz, "model": shipped, "network": network}
    samples = raw.get_data(stop=round(40 * sfreq_hz)).T
    whole = Imager(raw.ch_names, "V", **how)(samples).moments_nam
    peaks_nam = np.abs(whole[round(10 * sfreq_hz) :]).max(axis=1)
    # The display draws what is above a quarter of the 95th percentile.
    assert np.mean(peaks_nam > 0.25 * np.percentile(peaks_nam, 95)) > 0.7
    assert np.percentile(peaks_nam, 95) < 100  # drift and eyes had 100 to 150

    alpha = Imager(raw.ch_names, "V", filters=Filters(band_hz=(8, 12)), **how)(samples)
    strongest = head.strongest(alpha.moments_nam[round(2 * sfreq_hz) :])
    regions = np.array([name[:-3] for name in head.atlas_names])[head.atlas[strongest]]
    occipital = ("pericalcarine", "cuneus", "lingual", "lateraloccipital")
    assert np.isin(regions, occipital).mean() > 0.7


def test_a_rhythm_imaged_in_its_band_tells_eyes_closed_from_open(recording, shipped, network):
    """Imaged raw and filtered after, the ratio was 33; Oz alone has 30."""
    head, power = shipped.head, {}
    regions = np.array([name[:-3] for name in head.atlas_names])[head.atlas]
    is_occipital = np.isin(regions, ("pericalcarine", "cuneus", "lingual", "lateraloccipital"))
    for run in ("S001R01", "S001R02"):
        raw = read_recording(recording(f"eeg/eegmmidb_S001/{run}.edf"))
        sfreq_hz = round(raw.info["sfreq"])
        how = {"sfreq_hz": sfreq_hz, "model": shipped, "network": network}
        imager = Imager(raw.ch_names, "V", filters=Filters(band_hz=(8, 12)), **how)
        samples = raw.get_data(stop=40 * sfreq_hz).T
        moments_nam = imager(samples).moments_nam[2 * sfreq_hz :, is_occipital]
        power[run] = np.square(moments_nam).mean(axis=1).reshape(-1, sfreq_hz).mean(axis=1)
    opened, closed = power.values()
    assert np.median(closed) > 40 * np.median(opened)
    assert np.mean(closed[:, None] > opened) > 0.99


def test_a_muscle_is_flagged(imager, session):
    found = imager().preparation
    rng = np.random.default_rng(0)
    flags = []
    tense = session.eeg_uv[400:600].copy()
    tense[:, [6, 11, 17]] += 30 * rng.standard_normal((200, 3))
    for samples in (session.eeg_uv[:400], tense):
        found.skip(samples)
        found.look()
        flags.append(found.artefact)
    assert flags == [Artefact.NONE, Artefact.MUSCLE]


def test_a_high_gain_is_taken_back(imager, session):
    """Each sample is below what is no EEG, and the moments are no brain's."""
    frame = imager(filters=Filters(None, None, None), keep=True)(session.eeg_uv[:900] * 2e3)
    assert frame.flags.invalid is Invalid.MOMENT
    assert np.isnan(frame.moments_nam).any()


def test_maps_are_of_single_samples(imager):
    with pytest.raises(ValueError, match="without sfreq_hz"):
        imager().maps(np.zeros((3, 31)))


def test_a_preparation_needs_electrodes(shipped):
    with pytest.raises(MontageError):
        Imager(["Cz"], sfreq_hz=250.0, model=shipped)
