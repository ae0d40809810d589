"""Results kept by content: what they are named by, and how they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


def fingerprint(*parts: Any) -> str:
    """Return a short hash of configurations, arrays and files, to name results by content."""
    plain = [asdict(part) if is_dataclass(part) else part for part in parts]  # type: ignore[arg-type]
    text = json.dumps(plain, sort_keys=True, default=_digest)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(part: NDArray[Any] | Path) -> str:
    content = part.read_bytes() if isinstance(part, Path) else part.tobytes()
    return hashlib.sha256(content).hexdigest()


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file with ``write(path)``; a break while writing leaves the old one, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"part-{path.name}")  # keeps the suffix that writers look at
    write(unfinished)
    unfinished.replace(path)
