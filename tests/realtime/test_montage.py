import numpy as np
import pytest

from realtime.errors import MontageError
from realtime.montage import electrode_name, match_montage, volts_per_unit

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
    with pytest.raises(MontageError, match=r"'Cz' states .*--unit microvolts"):
        volts_per_unit(unit, "Cz")


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
    with pytest.raises(MontageError, match=r"19 of the model's 31 .* at least 20"):
        match_montage(labels, ["uV"] * len(labels), electrodes)


def test_two_channels_for_one_electrode_are_refused(shipped):
    labels = [*shipped.head.channels, "T3"]
    with pytest.raises(MontageError, match="'T7' and 'T3' both mean electrode T7"):
        match_montage(labels, ["uV"] * len(labels), shipped.head.channels)
