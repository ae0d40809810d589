import re

import pytest
from convdip.errors import MontageError
from convdip.live.units import VOLTS, stated_volts, volts_per_unit
from hypothesis import given
from hypothesis import strategies as st

NAMES = sorted(name for name in VOLTS if not name.lstrip("-").isdigit())


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


@given(st.floats(1e-6, 1e6), st.sampled_from(NAMES), st.sampled_from(["", " ", "  "]))
def test_a_number_before_a_unit_multiplies_it(number, name, blanks):
    for written in (repr(number), f"{number:.17f}", f"{number:.16E}"):
        unit = f" {written}{blanks}{name.upper()}"
        assert volts_per_unit(unit) == float(written) * VOLTS[name]


@given(st.text(max_size=12))
def test_any_text_is_a_unit_or_refused(unit):
    factor = stated_volts(unit)
    if factor is not None:
        assert volts_per_unit(unit) == factor > 0
        return
    with pytest.raises(MontageError, match=re.escape(repr(unit))):
        volts_per_unit(unit)


@pytest.mark.parametrize("unit", ["", "none", "counts", "ADC", "0 uV", "-1 uV", "1e999V", "0,1uV"])
def test_a_unit_is_never_guessed_nor_a_wrong_one_advised(unit):
    with pytest.raises(MontageError, match=r"'Cz' has .*`unit='0.0244uV'`") as error:
        volts_per_unit(unit, "Cz")
    assert "unit='microvolts'" not in str(error.value)


def test_a_unit_that_a_person_says_is_named_as_such():
    with pytest.raises(MontageError, match="`unit` is 'milivolts': expected volts"):
        volts_per_unit("milivolts")
