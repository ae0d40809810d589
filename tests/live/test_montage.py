import numpy as np
import pytest
from convdip.errors import MontageError
from convdip.live.level import LevelCheck
from convdip.live.montage import electrode_name, match_montage, volts_per_unit

ELECTRODES = ["Fp1", "Fp2", "T7", "P8", "Cz", "FT10"]


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Fp1", "Fp1"),
        ("FP1", "Fp1"),
        ("fp1.", "Fp1"),
        ("Cz..", "Cz"),
        ("EEG Fp1", "Fp1"),
        ("EEG Fp2-REF", "Fp2"),
        ("FT10-LE", "FT10"),
        ("EEG T3-A2", "T7"),
        ("T6", "P8"),
        ("Fp1-Fp2", None),
        ("EEG A2-A1", None),
        ("ECG", None),
        ("EOG Fp1", None),
        ("", None),
        ("Fp11", None),
    ],
)
def test_labels_as_devices_write_them(label, name):
    assert electrode_name(label, ELECTRODES) == name


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("microvolts", 1e-6),
        ("uV", 1e-6),
        ("µV", 1e-6),
        ("μV", 1e-6),
        ("-6", 1e-6),
        ("millivolts", 1e-3),
        ("V", 1.0),
        ("0", 1.0),
        ("nV", 1e-9),
    ],
)
def test_units_as_devices_write_them(unit, factor):
    assert volts_per_unit(unit, "Cz") == factor


@pytest.mark.parametrize("unit", ["", "none", "counts"])
def test_a_unit_is_never_guessed(unit):
    with pytest.raises(MontageError, match=r"'Cz' has .*`unit='microvolts'`"):
        volts_per_unit(unit, "Cz")


def test_a_unit_that_a_person_says_is_named_as_such():
    with pytest.raises(MontageError, match="`unit` is 'milivolts': expected volts"):
        volts_per_unit("milivolts")


def test_channels_are_picked_by_label_whatever_their_order_and_units(shipped):
    electrodes = shipped.head.channels
    rng = np.random.default_rng(0)
    volts = rng.standard_normal(len(electrodes)) * 1e-5
    labels, values, units = ["TRG"], [7.0], [""]
    for place in rng.permutation(len(electrodes)):
        in_volts = bool(rng.integers(2))
        labels.append(electrodes[place])
        values.append(volts[place] if in_volts else volts[place] * 1e6)
        units.append("volts" if in_volts else "microvolts")
    montage = match_montage(labels, units, electrodes)
    np.testing.assert_allclose(montage.to_volts @ values, volts, rtol=1e-12)
    assert montage.missing == ()
    assert montage.unused == ("TRG",)


def test_missing_electrodes_are_named(shipped):
    electrodes = shipped.head.channels
    here = [name for name in electrodes if name not in ("FT9", "TP10")]
    montage = match_montage(here, ["uV"] * len(here), electrodes)
    assert montage.missing == ("FT9", "TP10")
    assert not montage.to_volts[electrodes.index("FT9")].any()


def test_too_few_electrodes_are_refused(shipped):
    electrodes = shipped.head.channels
    labels = [*electrodes[:19], "AUX1", "AUX2"]
    with pytest.raises(MontageError, match=r"19 of the model's 31 .* at least 20; missing are"):
        match_montage(labels, ["uV"] * len(labels), electrodes)


def test_two_channels_for_one_electrode_are_refused(shipped):
    labels = [*shipped.head.channels, "T3"]
    with pytest.raises(MontageError, match="'T7' and 'T3' are both electrode T7"):
        match_montage(labels, ["uV"] * len(labels), shipped.head.channels)


def test_channels_of_several_references_are_refused(shipped):
    """C3 against the right ear, C4 against the left: no average reference mends that."""
    labels = [f"{name}-{'A1' if name.endswith('4') else 'A2'}" for name in shipped.head.channels]
    with pytest.raises(MontageError, match=r"several references .*-A2.*-A1"):
        match_montage(labels, ["uV"] * 31, shipped.head.channels)
    one = [f"EEG {name}-A2" for name in shipped.head.channels]
    assert match_montage(one, ["uV"] * 31, shipped.head.channels).missing == ()


def test_a_stream_without_labels_is_told_so(shipped):
    with pytest.raises(MontageError, match=r"0 of the .* the channels have no labels"):
        match_montage([""] * 31, ["uV"] * 31, shipped.head.channels)


@pytest.mark.parametrize(
    ("scale", "warns"), [(1e-6, True), (1.0, False), (20.0, False), (1e4, True), (0.0, True)]
)
def test_a_level_that_is_not_eeg_is_warned_of_once(shipped, caplog, scale, warns):
    montage = match_montage(
        ["AUX", *shipped.head.channels], ["", *["uV"] * 31], shipped.head.channels
    )
    look = LevelCheck(montage, 250.0)
    eeg_uv = 10 * scale * np.random.default_rng(0).standard_normal((600, 31))
    samples = np.column_stack([np.full(600, np.nan), eeg_uv]).astype(np.float32)
    for first in range(0, 600, 50):
        look.at(samples[first : first + 50])
    assert [r.getMessage().count("is its unit right?") for r in caplog.records] == [1] * warns
