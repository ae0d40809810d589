"""A protocol as a file has it, and whose turn is sham."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from convdip.errors import ConfigError
from convdip.feedback.protocol import Block, Kind, check_blocks
from convdip.live.tables import Expected, checked, is_number, is_text, read_tables

OWN = "own"


@dataclass(frozen=True)
class Protocol:
    """What happens in a session.

    Attributes
    ----------
    name : str
    blocks : tuple of Block
    sham : Path or None
        The record that sham blocks replay.
    is_blinded : bool
        Whether nobody who looks on may know whose feedback it is.
    """

    name: str
    blocks: tuple[Block, ...]
    sham: Path | None = None
    is_blinded: bool = False


def read_protocol(path: Path, participant: str | None) -> Protocol:
    """Read a protocol, as it is for a participant.

    Parameters
    ----------
    path : Path
        TOML with ``blocks``, and perhaps ``name``, ``sham``, a record, and ``arms``, a file that
        has, for each participant, ``"own"`` or the record that is replayed in place.
    participant : str, optional

    Raises
    ------
    ConfigError
        If it cannot be read, or could not be carried out.
    """

    def is_blocks(value: object) -> bool:
        return isinstance(value, list)

    expected: Expected = {
        "name": (is_text, "text"),
        "blocks": (is_blocks, "a list such as [{kind = 'rest', seconds = 60}]"),
        "sham": (is_text, "the path of a record"),
        "arms": (is_text, "the path of a file"),
    }
    said = checked(str(path), read_tables(path, "protocol"), expected)
    blocks = tuple(
        _block(f"{path}: block {number}", table)
        for number, table in enumerate(said.get("blocks", []), 1)
    )
    check_blocks(blocks)
    sham = path.parent / said["sham"] if "sham" in said else None
    if "arms" in said:
        arm = _arm(path.parent / said["arms"], participant)
        if arm is not None:
            blocks = tuple(
                replace(block, kind="sham") if block.kind == "regulate" else block
                for block in blocks
            )
            sham = arm
    elif participant is not None:
        raise ConfigError(
            f"`participant` is {participant!r}, and {path} has no `arms`: expected the file that "
            "says whose feedback is whose"
        )
    if sham is None and any(block.kind == "sham" for block in blocks):
        raise ConfigError(f"{path} has a sham block and no `sham`: expected the record to replay")
    return Protocol(said.get("name", path.stem), blocks, sham, is_blinded="arms" in said)


def _block(where: str, table: object) -> Block:
    kinds = get_args(Kind)
    expected: Expected = {
        "kind": (lambda value: value in kinds, ", ".join(kinds)),
        "seconds": (is_number, "seconds"),
        "name": (is_text, "text"),
        "begin": (is_text, "what a marker says"),
        "end": (is_text, "what a marker says"),
    }
    table = checked(where, table, expected)
    if "kind" not in table:
        raise ConfigError(f"{where} has no `kind`: expected {', '.join(kinds)}")
    return Block(**table)


def _arm(path: Path, participant: str | None) -> Path | None:
    """Return the record that is replayed for a participant; None for their own feedback.

    No message says anything of the others' arms, nor of this one's.
    """
    if participant is None:
        raise ConfigError(f"{path} says whose feedback is whose: expected a `participant`")
    arm = read_tables(path, "arms").get(participant)
    if not isinstance(arm, str) or not arm:
        raise ConfigError(f"{path} has no participant {participant!r}")
    return None if arm == OWN else path.parent / arm
