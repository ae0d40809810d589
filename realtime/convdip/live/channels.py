"""What the user says of a stream's channels, where the stream does not say it itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convdip.errors import MontageError
from convdip.live.cap_places import Cap, cap_names, find_cap
from convdip.live.labels import read_label

# In place of a label: the channel is none that is to be imaged.
IGNORED = "-"

# A cap's name, a file of labels, or the labels themselves.
Channels = str | Path | Sequence[str]


@dataclass(frozen=True)
class NamedChannels:
    """Labels for the channels of a stream, or the cap whose inputs they are.

    Attributes
    ----------
    cap : Cap or None
    labels : tuple of str
        One a channel, empty for one to be ignored; no label where a cap is named.
    """

    cap: Cap | None
    labels: tuple[str, ...] = ()

    def of(self, stated: Sequence[str]) -> tuple[str, ...]:
        """Return a stream's labels: those of the file, or the cap's electrodes.

        A cap's electrodes are found by their numbers where the stream states them all, else they
        are the stream's channels in order.

        Parameters
        ----------
        stated : sequence of str
            The labels that the stream states, one a channel.

        Raises
        ------
        MontageError
            If the number of channels does not fit.
        """
        n = len(stated)
        if self.cap is None:
            if len(self.labels) != n:
                raise MontageError(
                    f"`channels` has {len(self.labels)} labels and the stream {n} channels: "
                    f"expected a line for each channel, with {IGNORED!r} for one to be ignored"
                )
            return self.labels
        cap = self.cap
        fewest = len(cap.inputs) - cap.has_reference
        by_number = dict(zip(cap.inputs, cap.electrodes, strict=True))
        numbers = [_number(label) for label in stated]
        if set(cap.inputs[:fewest]) <= set(numbers):
            reference = {"CZ": "Cz", "VREF": "Cz"} if cap.has_reference else {}
            return tuple((by_number | reference).get(number, "") for number in numbers)
        if n in (fewest, len(cap.inputs)):
            return cap.electrodes[:n]
        expected = f"{fewest}" + (f" or {len(cap.inputs)}" if cap.has_reference else "")
        raise MontageError(
            f"`channels` is {cap.name!r} and the stream has {n} channels: expected {expected}, or "
            f"labels with the cap's numbers ({cap.inputs[0]} to {cap.inputs[fewest - 1]}); name "
            "other caps and further channels in a file with a line for each channel"
        )

    def __str__(self) -> str:
        if self.cap is not None:
            return self.cap.name
        return ", ".join(label or IGNORED for label in self.labels)


def read_channels(channels: Channels) -> NamedChannels:
    """Read what the user says of a stream's channels.

    Parameters
    ----------
    channels : str, Path or sequence of str
        The name of a cap; a text file with a label a line, ``-`` or nothing for a channel to be
        ignored, and comments after ``#``; or the labels themselves.

    Raises
    ------
    MontageError
        If it is neither a known cap nor a file.

    Examples
    --------
    >>> read_channels("biosemi32").of([f"Ch{i}" for i in range(1, 33)])[:4]
    ('Fp1', 'AF3', 'F7', 'F3')
    """
    if isinstance(channels, str) and channels.strip().lower() in cap_names():
        return NamedChannels(find_cap(channels.strip().lower()))
    if not isinstance(channels, str | Path):
        return NamedChannels(None, tuple(map(_label, channels)))
    try:
        text = Path(channels).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise MontageError(
            f"`channels` is {str(channels)!r}, which is no cap's name, and cannot be read as a "
            f"file ({reason}): expected a file with a label a line, or one of "
            f"{', '.join(cap_names())}"
        ) from None
    # A line that holds a comment alone is no channel; an empty one is a channel to be ignored.
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return NamedChannels(None, tuple(_label(line.partition("#")[0]) for line in lines))


def parse_channels(said: str) -> NamedChannels:
    """Read what the text of `NamedChannels` says."""
    return read_channels(said if said in cap_names() else said.split(", "))


def _label(text: str) -> str:
    label = text.strip()
    if ", " in label:  # the streams list labels by comma
        raise MontageError(
            f"`channels` has {label!r} as a label: expected one label a line, without commas"
        )
    return "" if label == IGNORED else label


def _number(label: str) -> str:
    """Return the cap's number that a label states: «EEG a01» is A1."""
    name = read_label(label).name
    letters = name.rstrip("0123456789")
    digits = name[len(letters) :].lstrip("0")
    return letters + digits if digits else name
