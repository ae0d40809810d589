"""Step 3: which electrodes a stream's channels are, where they lie, and what a volt is in them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.errors import MontageError
from convdip.head import Head
from convdip.live.cap_places import cap_names, electrode_places
from convdip.live.channels import Channels, NamedChannels, read_channels
from convdip.live.labels import EARS, Label, find_electrode, read_label
from convdip.live.location import located
from convdip.live.units import stated_volts, volts_per_unit
from convdip.streams import EEG_TYPES, UNSTATED_TYPES, EegDescription
from convdip.text import listed, shown

log = logging.getLogger(__name__)

# A cap of fewer electrodes images nothing; what those that are there can tell is judged by where
# they lie, not by how many they are.
MIN_ELECTRODES = 12

# Measured at ear or mastoid, these stand for the electrode beside them, the mastoid before the ear.
BESIDE_EARS = (("TP9", ("M1", "A1")), ("TP10", ("M2", "A2")))

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Montage:
    """The electrodes of a stream.

    Attributes
    ----------
    names : tuple of str, length n_used
        The electrodes that are there, in the order of the stream's channels: standard names
        (``Fp1``), or for a cap's own scheme its numbers (``E12``).
    channels : ndarray of int, shape (n_used,)
        Each one's channel in the stream. Pick by these before multiplying: a weight of 0 does not
        keep a NaN out.
    volts : ndarray, shape (n_used,)
        Factor from the stream's numbers to volts; negative where the polarity is reversed.
    places_m : ndarray, shape (n_used, 3)
        In the head's frame; of the model's electrodes, exactly where its head has them.
    missing : tuple of str
        The model's electrodes that are not among the names, to be interpolated.
    unused : tuple of str
        Labels of the channels that are no electrodes.
    reference : str
        Common reference that stands behind all labels; empty if none is stated.
    """

    names: tuple[str, ...]
    channels: NDArray[np.intp]
    volts: NDArray[np.float64]
    places_m: Places
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    reference: str


def stream_montage(
    stream: EegDescription,
    head: Head,
    *,
    unit: str | None = None,
    channels: NamedChannels | None = None,
    inverted: bool = False,
) -> Montage:
    """Match the channels of an EEG stream with electrodes, as the stream and the user say.

    Parameters
    ----------
    stream : EegDescription
    head : Head
    unit : str, optional
        What a step of 1 in the stream's numbers is, instead of the units and scaling factors that
        it states.
    channels : NamedChannels, optional
        Labels in place of the stream's, which then decide alone what is EEG.
    inverted : bool
        Whether the polarity is reversed.

    Raises
    ------
    MontageError
        As `match_montage`.
    """
    scaled = [factor for factor in stream.factors if factor != 1]
    is_scaled = stream.is_integer and unit is None
    if scaled and not is_scaled:
        reason = "`unit` says what a step of 1 is" if unit else "such numbers have it already"
        log.warning(
            "stream %s states a scaling factor (%g) and sends %s: the factor is not applied, since "
            "%s",
            shown(stream.name),
            scaled[0],
            stream.sample_format,
            reason,
        )
    return match_montage(
        stream.labels,
        stream.units if unit is None else (unit,) * len(stream.labels),
        head,
        channels=channels,
        types=stream.types,
        places_m=stream.places_m,
        factors=stream.factors if is_scaled else (),
        inverted=inverted,
    )


def match_montage(
    labels: Sequence[str],
    units: Sequence[str],
    head: Head,
    *,
    channels: Channels | NamedChannels | None = None,
    types: Sequence[str] = (),
    places_m: Sequence[tuple[float, float, float] | None] = (),
    factors: Sequence[float] = (),
    inverted: bool = False,
    at_least: int = MIN_ELECTRODES,
) -> Montage:
    """Match a stream's channels with electrodes, by label or by place.

    Parameters
    ----------
    labels, units : sequences of str, length n_channels
        As the stream describes them.
    head : Head
        Of the model.
    channels : str, Path, sequence of str or NamedChannels, optional
        Labels in place of the stream's: a cap's name, a file, or the labels. They decide alone
        what is EEG; stated types count no more.
    types : sequence of str, optional
        Stated types; a channel of another than EEG is none, whatever its label.
    places_m : sequence of 3-tuples or None, optional
        Stated places, in metres, in any frame: they place EEG channels of unknown names.
    factors : sequence of float, optional
        What a step of 1 is in each channel, in its unit.
    inverted : bool
        Whether the polarity is reversed.
    at_least : int
        Fewest electrodes required.

    Raises
    ------
    MontageError
        If two channels claim one electrode, the channels are differences between electrodes or
        have several references, a unit is unknown, or too few electrodes are there.
    """
    said = channels if isinstance(channels, NamedChannels | None) else read_channels(channels)
    read = _read_labels(labels, said)
    types = types if said is None and types else ("",) * len(labels)
    kinds = [kind.strip().lower() for kind in types]
    places = electrode_places(head, said.cap if said else None)
    by_upper = {name.upper(): name for name in places}

    may_be = [i for i, kind in enumerate(kinds) if kind in (*EEG_TYPES, *UNSTATED_TYPES)]
    found = _named_electrodes({i: read[i] for i in may_be}, by_upper)
    reference, bipolar = _common_reference({i: read[i] for i in found}, labels, by_upper)
    found = {i: name for i, name in found.items() if i not in bipolar}
    at = {i: places[name] for i, name in found.items()}
    # Of an unknown name, only what is stated to be EEG: an eye electrode has a place, too.
    unknown = [i for i in may_be if kinds[i] in EEG_TYPES and i not in at and i not in bipolar]
    for i, place in _located(unknown, places_m, at, head).items():
        found[i], at[i] = labels[i].strip() or str(i + 1), place
    _refuse_twice(found, labels)

    missing = tuple(name for name in head.channels if name not in found.values())
    if len(found) < at_least:
        raise MontageError(
            f"{len(found)} electrodes of known places are in the stream: expected at least "
            f"{at_least}; " + _advice(labels, kinds, missing)
        )
    used = sorted(found)
    return Montage(
        names=tuple(found[i] for i in used),
        channels=np.array(used, np.intp),
        volts=np.array(_volts(used, labels, read, units, factors)) * (-1 if inverted else 1),
        places_m=np.array([at[i] for i in used]),
        missing=missing,
        unused=tuple(label for i, label in enumerate(labels) if i not in found),
        reference=reference,
    )


def _read_labels(labels: Sequence[str], said: NamedChannels | None) -> list[Label]:
    """Take the labels apart, or what the user says in their place."""
    read = [read_label(label) for label in labels]
    if said is None:
        return read
    named = said.of(labels)
    if said.cap is None:
        return [read_label(name) for name in named]
    # What a cap calls its electrodes is their name as it stands.
    return [Label(name.upper(), "", was.unit) for name, was in zip(named, read, strict=True)]


def _named_electrodes(read: Mapping[int, Label], by_upper: Mapping[str, str]) -> dict[int, str]:
    """Return the electrodes that channels are by name."""
    named = {i: find_electrode(label.name, by_upper) for i, label in read.items()}
    found = {i: name for i, name in named.items() if name is not None}
    numbers = {label.name for label in read.values()}
    if {"A3", "B1"} & numbers:  # inputs of an amplifier, of which A1 is the first
        return found
    for name, ears in BESIDE_EARS:
        ear = next((ear for ear in ears if ear in numbers and ear not in by_upper), None)
        if ear is not None and name in by_upper.values() and name not in found.values():
            found |= {i: name for i, label in read.items() if label.name == ear}
    return found


def _common_reference(
    read: Mapping[int, Label], labels: Sequence[str], by_upper: Mapping[str, str]
) -> tuple[str, list[int]]:
    """Return the reference behind all labels, and the few channels that are bipolar instead."""
    if not read:
        return "", []
    seconds = {i: label.second.upper() for i, label in read.items()}
    [(common, n_common)] = Counter(seconds.values()).most_common(1)
    others = [i for i, second in seconds.items() if second != common]
    # «EEG A2-A1» beside plain names, or beside «Fp1-Ref».
    bipolar = [
        i
        for i in others
        if (seconds[i] in EARS or find_electrode(seconds[i], by_upper))
        and (not common or read[i].name in EARS)
    ]
    if len(bipolar) == len(others) < n_common:
        return next(read[i].second for i in read if seconds[i] == common), bipolar
    each = {second: labels[i] for i, second in seconds.items()}
    some = ", ".join(f"{label!r}" for label in list(each.values())[:4])
    some += ", …" if len(each) > 4 else ""
    if any(find_electrode(second, by_upper) for second in each):
        raise MontageError(
            f"the channels are differences between electrodes ({some}), a bipolar montage: "
            "expected all electrodes against one reference; let the amplifier send those"
        )
    raise MontageError(
        f"the channels have several references ({some}): expected one, which the average "
        "reference then replaces; re-reference them in the sender"
    )


def _located(
    unknown: Sequence[int],
    places_m: Sequence[tuple[float, float, float] | None],
    known: Mapping[int, Places],
    head: Head,
) -> dict[int, Places]:
    """Return where EEG channels of unknown names lie, as far as the stream says so."""
    wanted = [i for i in unknown if places_m and places_m[i] is not None]
    if not wanted:
        return {}
    stated_m = np.array([place or (np.nan,) * 3 for place in places_m])
    placed = located(stated_m, known, head)
    return {} if placed is None else {i: placed[i] for i in wanted}


def _refuse_twice(found: Mapping[int, str], labels: Sequence[str]) -> None:
    """Refuse two channels for one electrode."""
    channel_of: dict[str, int] = {}
    for i in sorted(found):
        first = channel_of.setdefault(found[i], i)
        if first != i:
            raise MontageError(
                f"channels {labels[first]!r} and {labels[i]!r} are both electrode {found[i]}: "
                "rename or remove one in the sender, or name the channels with `channels`"
            )


def _volts(
    used: Sequence[int],
    labels: Sequence[str],
    read: Sequence[Label],
    units: Sequence[str],
    factors: Sequence[float],
) -> list[float]:
    """Return the factor to volts of each channel, by its unit, or else by the one in its label."""
    said = {i: units[i] if units[i].strip() else read[i].unit for i in used}
    volts = {i: volts_per_unit(unit, labels[i]) for i, unit in said.items()}
    other = [i for i in used if read[i].unit and stated_volts(read[i].unit) != volts[i]]
    if other:
        label, unit = labels[other[0]], said[other[0]]
        log.warning("channel %r is taken to be in %r, whatever its label says", label, unit)
    if not factors:
        return list(volts.values())
    unreadable = [i for i in used if not np.isfinite(factors[i]) or factors[i] == 0]
    if unreadable:
        raise MontageError(
            f"channel {labels[unreadable[0]]!r} states a scaling factor that is none: expected a "
            "number such as 0.1; mend it in the sender, or say what a step of 1 in its numbers "
            "is, for example `unit='0.0244uV'`"
        )
    return [volt * factors[i] for i, volt in volts.items()]


def _advice(labels: Sequence[str], kinds: Sequence[str], missing: Sequence[str]) -> str:
    """Say what to do about missing electrodes."""
    named = (
        "name them with `channels`: a file with a label a line, or a cap "
        f"({', '.join(cap_names())})"
    )
    if not any(labels):
        return f"the channels have no labels: set them in the sender, as 10-20 names, or {named}"
    others = sorted({kind for kind in kinds if kind not in (*EEG_TYPES, *UNSTATED_TYPES)})
    typed = f"channels of type {listed(others, 8)} are no EEG; " if others else ""
    shown = ", ".join(labels[:8]) + (" …" if len(labels) > 8 else "")
    return (
        f"missing are {', '.join(missing)}; {typed}the channels are {shown}: if those are other "
        f"names for known places, use 10-20 names in the sender, or {named}"
    )
