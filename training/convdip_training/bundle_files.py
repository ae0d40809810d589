"""A bundle's files, as `convdip.bundle` reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from convdip.bundle import sha256_of


def write_bundle(folder: Path, contents: dict[str, bytes], card: dict[str, Any]) -> None:
    """Write a bundle's files, and its card last.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    contents : dict of bytes
        By file name.
    card : dict
        The files' checksums are added to it.
    """
    card["sha256"] = {name: sha256_of(content) for name, content in contents.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    text = json.dumps(card, indent=2, ensure_ascii=False)
    (folder / "card.json").write_text(f"{text}\n", encoding="utf-8")
