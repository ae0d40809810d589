import numpy as np
import pytest
from convdip.errors import MontageError
from convdip.live.labels import electrode_name
from convdip.live.level import LevelCheck
from convdip.live.montage import match_montage

ELECTRODES = ["Fp1", "Fp2", "T7", "P8", "Cz", "FT10"]


def matched(labels, head, **said):
    return match_montage(labels, ["uV"] * len(labels), head, **said)


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
        ("Fp1 (µV)", "Fp1"),
        ("Fp1-(A1+A2)/2", "Fp1"),
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


def test_channels_are_picked_by_label_whatever_their_order_and_units(shipped):
    electrodes = shipped.head.channels
    rng = np.random.default_rng(0)
    volts = rng.standard_normal(len(electrodes)) * 1e-5
    labels, values, units = ["TRG"], [7.0], [""]
    order = rng.permutation(len(electrodes))
    for place in order:
        in_volts = bool(rng.integers(2))
        labels.append(electrodes[place])
        values.append(volts[place] if in_volts else volts[place] * 1e6)
        units.append("volts" if in_volts else "microvolts")
    montage = match_montage(labels, units, shipped.head)
    found = np.array(values)[montage.channels] * montage.volts
    np.testing.assert_allclose(found, volts[order], rtol=1e-12)
    np.testing.assert_array_equal(montage.places_m, shipped.head.electrodes_m[order])
    assert montage.missing == ()
    assert montage.unused == ("TRG",)


def test_missing_electrodes_are_named(shipped):
    here = [name for name in shipped.head.channels if name not in ("FT9", "TP10")]
    assert matched(here, shipped.head).missing == ("FT9", "TP10")


def test_two_channels_for_one_electrode_are_refused(shipped):
    with pytest.raises(MontageError, match="'T7' and 'T3' are both electrode T7"):
        matched([*shipped.head.channels, "T3"], shipped.head)


def test_channels_of_several_references_are_refused(shipped):
    """C3 against the right ear, C4 against the left: no average reference mends that."""
    labels = [f"{name}-{'A1' if name.endswith('4') else 'A2'}" for name in shipped.head.channels]
    with pytest.raises(MontageError, match=r"several references .*-A2.*-A1"):
        matched(labels, shipped.head)
    one = [f"EEG {name}-A2" for name in shipped.head.channels]
    assert matched(one, shipped.head).missing == ()


def test_what_stands_behind_all_labels_is_their_reference(shipped):
    """Also where it is an electrode; a single channel of another kind is bipolar, and left out."""
    labels = [f"{name}-CPz" for name in shipped.head.channels]
    montage = matched([*labels, "EOG1-EOG2"], shipped.head)
    assert montage.reference == "CPz"
    assert montage.names == shipped.head.channels
    assert montage.unused == ("EOG1-EOG2",)
    plain = matched([*shipped.head.channels, "A2-A1"], shipped.head)
    assert plain.names == shipped.head.channels
    assert plain.reference == ""


@pytest.mark.parametrize(
    ("ears", "there", "names"),
    [
        (["M1", "M2"], [], ["TP9", "TP10"]),
        (["A1", "A2"], [], ["TP9", "TP10"]),
        (["M1", "A1"], [], ["TP9"]),
        (["A1", "M2"], ["TP9"], ["TP9", "TP10"]),
        (["A1", "A2"], ["A3", "B1"], []),
    ],
)
def test_ears_stand_for_what_lies_beside_them(shipped, ears, there, names):
    others = [name for name in shipped.head.channels if name not in ("TP9", "TP10")]
    montage = matched([*others, *ears, *there], shipped.head)
    assert set(montage.names) == {*others, *names}


def test_a_unit_in_the_label_counts_where_no_other_is_stated(shipped, caplog):
    channels = shipped.head.channels
    labels = [f"{name} [mV]" for name in channels]
    silent = match_montage(labels, [""] * 31, shipped.head)
    np.testing.assert_array_equal(silent.volts, 1e-3)
    assert not caplog.records
    stated = match_montage(labels, ["uV"] * 31, shipped.head)
    np.testing.assert_array_equal(stated.volts, 1e-6)
    assert [r.getMessage() for r in caplog.records] == [
        "channel 'Fp1 [mV]' is taken to be in 'uV', whatever its label says"
    ]


def test_a_factor_that_is_none_is_refused(shipped):
    factors = [0.1] * 30 + [float("nan")]
    with pytest.raises(MontageError, match=r"'Fp2' states a scaling factor .*`unit='0.0244uV'`"):
        matched(shipped.head.channels, shipped.head, factors=factors)
    # What is not imaged may state anything.
    labels = [*shipped.head.channels, "AUX"]
    montage = matched(labels, shipped.head, factors=[0.1] * 31 + [float("nan")])
    np.testing.assert_allclose(montage.volts, 1e-7, rtol=1e-12)


def test_a_stream_without_labels_is_told_what_to_do(shipped):
    with pytest.raises(MontageError, match=r"0 electrodes .* no labels: .*`channels`.*biosemi32"):
        matched([""] * 31, shipped.head)


def test_a_stream_of_other_types_is_told_so(shipped):
    with pytest.raises(MontageError, match=r"0 electrodes .* channels of type signal are no EEG"):
        matched(shipped.head.channels, shipped.head, types=["Signal"] * 31)


@pytest.mark.parametrize(
    ("scale", "warns"), [(1e-6, True), (1.0, False), (20.0, False), (1e4, True), (0.0, True)]
)
def test_a_level_that_is_not_eeg_is_told_once_and_again_after_a_return(scale, warns):
    check = LevelCheck()
    for _ in range(2):
        told = [text for _ in range(60) if (text := check(10e-6 * scale))]
        assert [text.count("is its unit right?") for text in told] == [1] * warns
        check.restart()


def test_a_moment_of_another_level_is_not_told():
    check = LevelCheck()
    assert not any(check(level) for level in [2e-3, 2e-3, 10e-6] * 20)
