"""What a channel's label says: an electrode, what it is measured against, and perhaps a unit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from convdip.live.units import stated_volts

# Older names of the same 10-20 positions.
ALIASES = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}

# Ear lobes and mastoids: references more often than electrodes.
EARS = frozenset({"A1", "A2", "M1", "M2"})

_PREFIX = re.compile(r"EEG[\s_.:-]+", re.IGNORECASE)
_UNIT = re.compile(r"[\[(](?P<unit>[^\[\]()]+)[\])]$")
_MINUS = re.compile("[-\u2010\u2011\u2012\u2013\u2212]")
_BLANKS = re.compile(r"[\s._]+")


@dataclass(frozen=True)
class Label:
    """A channel's label, taken apart.

    Attributes
    ----------
    name : str
        What stands first, in capitals and without blanks and dots: ``FP1``.
    second : str
        What stands behind a minus: ``Ref``, ``A1A2``; empty for nothing.
    unit : str
        In brackets at the end; empty for none.
    """

    name: str
    second: str
    unit: str


def read_label(label: str) -> Label:
    """Take a channel's label apart.

    Examples
    --------
    >>> read_label("EEG Fp1-CPz [uV]")
    Label(name='FP1', second='CPz', unit='uV')
    """
    text, unit = label.strip(" .\t"), ""
    found = _UNIT.search(text)
    if found is not None and stated_volts(found["unit"]) is not None:
        text, unit = text[: found.start()].strip(" .\t"), found["unit"].strip()
    prefix = _PREFIX.match(text)
    text = text[prefix.end() :] if prefix else text
    name, _, second = _MINUS.sub("-", text).partition("-")
    return Label(_BLANKS.sub("", name).upper(), _BLANKS.sub("", second), unit)


def electrode_name(label: str, electrodes: Collection[str]) -> str | None:
    """Return the electrode that a channel label names, or None.

    Ignores case, blanks and dots, a leading ``EEG``, a unit in brackets, and a reference behind
    the name; a second electrode behind it makes the channel bipolar, which is no electrode. Reads
    T3, T4, T5 and T6 as T7, T8, P7 and P8.

    Examples
    --------
    >>> electrode_name("EEG Fp1-REF", ["Fp1", "T7"]), electrode_name("T3..", ["Fp1", "T7"])
    ('Fp1', 'T7')
    """
    said = read_label(label)
    by_upper = {name.upper(): name for name in electrodes}
    second = said.second.upper()
    is_bipolar = said.name in EARS if second in EARS else find_electrode(second, by_upper)
    return None if is_bipolar else find_electrode(said.name, by_upper)


def find_electrode(name: str, by_upper: Mapping[str, str]) -> str | None:
    """Return the electrode of a name in capitals, or None."""
    return by_upper.get(name) or by_upper.get(ALIASES.get(name, ""))
