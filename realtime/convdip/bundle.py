"""The model bundle: everything that passes from training to the live service.

A folder with ``model.onnx``, ``head.npz`` and ``card.json``, and perhaps ``model-int8.onnx``, the
same network with narrower weights; the card holds the SHA-256 of the others.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convdip.arrays import MOST_BYTES
from convdip.errors import BundleError
from convdip.files import TEXT_BYTES, parse_json, read_file
from convdip.head import Head
from convdip.mni import TEMPLATES

DEFAULT_MODEL = "convdip-fsaverage31"
Polarity = Literal["both", "positive"]
# After the name of a bundle of positive polarity, for people.
ONE_POLARITY = "was trained on sources of one polarity: for ongoing EEG use a model of both"
FILES = ("model.onnx", "head.npz")
INT8_FILE = "model-int8.onnx"
# No network that images a sample within milliseconds is larger, in bytes.
MOST_MODEL = 1 << 30

# Of a checksum.
_DIGEST = re.compile("[0-9a-f]{64}")
# Shares of a map's maximum: maps of the other sign deviate by 2.
MOST_DEVIATION = 1e3

# What a card says of the network is read from these.
_OF_CARD: dict[str, type] = {
    "config": dict,
    "config.head": dict,
    "config.head.subject": str,
    "config.simulation": dict,
    "config.simulation.signs": str,
    "output": str,
    "precision": dict,
    "precision.int8": dict,
}
NOTHING = object()

# Shipped bundles: beside the packages in a checkout, inside this one in an installed wheel.
_SHIPPED = (Path(__file__).parents[2] / "models", Path(__file__).parent / "models")


@dataclass(frozen=True)
class Bundle:
    """A verified model bundle.

    Attributes
    ----------
    name : str
    path : Path
    model : bytes
        The ONNX file.
    head : Head
    card : dict
        ``card.json``.
    int8 : bytes or None
        ``model-int8.onnx``, where the bundle has it.
    """

    name: str
    path: Path
    model: bytes
    head: Head
    card: dict[str, Any]
    int8: bytes | None = None

    @property
    def is_template(self) -> bool:
        """Whether the head is the template, whose coordinates are those of MNI space."""
        try:
            return self.card["config"]["head"]["subject"] in TEMPLATES
        except (KeyError, TypeError):
            return False

    @property
    def takes_any_cap(self) -> bool:
        """Whether the network is given the gains of whatever electrodes there are."""
        return self.head.scalp is not None

    @property
    def int8_deviation(self) -> float:
        """Largest deviation of int8 from fp32 maps, as a share of a map's maximum.

        Infinite where there are no int8 weights or the card does not say.
        """
        if self.int8 is None:
            return float("inf")
        try:
            return float(self.card["precision"]["int8"]["largest_deviation"])
        except (KeyError, TypeError, ValueError):
            return float("inf")

    @property
    def polarity(self) -> Polarity:
        """Signs of the sources that the maps hold for: ``both``, or ``positive`` alone.

        Networks hold for the sources they were trained on, linear inverses for both.
        """
        try:
            signs = self.card["config"]["simulation"]["signs"]
        except (KeyError, TypeError):  # no network, or one from before signs could be chosen
            return "both" if "both signs" in str(self.card.get("output")) else "positive"
        return "both" if signs == "random" else "positive"

    @property
    def sha256(self) -> str:
        """SHA-256 of the ONNX file, in hexadecimal."""
        digest: str = self.card["sha256"]["model.onnx"]
        return digest


def shipped_bundles() -> dict[str, Path]:
    """Return the bundles that come with the program, by name."""
    folders = (folder for root in _SHIPPED if root.is_dir() for folder in sorted(root.iterdir()))
    return {folder.name: folder for folder in folders if (folder / "card.json").is_file()}


def load_bundle(model: str | Path = DEFAULT_MODEL) -> Bundle:
    """Find a bundle by path or by name, verify its files and load them.

    Each file is read once: what was verified is what runs.

    Raises
    ------
    BundleError
        If there is no such bundle, or anything is wrong with it: a file that is missing, too large
        or not the one the card names, a card or a head model that is none.
    """
    path = _folder(model)
    try:
        card = parse_json(read_file(path / "card.json", TEXT_BYTES))
        expected = _digests(card)
        _check_card(card)
    except FileNotFoundError:
        raise BundleError(f"{path} has no card.json: expected a model bundle") from None
    except OSError as error:
        raise BundleError(f"{path / 'card.json'} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{path / 'card.json'} is not a model card: {error}") from None
    contents = {name: _read_verified(path / name, digest) for name, digest in expected.items()}
    head = Head.load(io.BytesIO(contents["head.npz"]))
    return Bundle(
        path.name,
        path,
        contents["model.onnx"],
        head,
        card,
        contents.get(INT8_FILE),
    )


def _folder(model: str | Path) -> Path:
    """Return the folder of a bundle, by path or by name."""
    shipped, path = shipped_bundles(), Path(model)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None
    if not is_folder and str(model) not in shipped:
        raise BundleError(
            f"no model {str(model)[:200]!r}: shipped models are {', '.join(shipped) or 'none'}; or "
            "give a folder with model.onnx, head.npz and card.json"
        )
    path = (path if is_folder else shipped[str(model)]).resolve()
    if not path.name.isprintable():  # clients are told it
        raise BundleError(f"the folder of the model is {path.name!r}: expected a name to be read")
    return path


def _digests(card: object) -> dict[str, str]:
    """Return what the card says of the files."""
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), dict):
        raise ValueError("expected a table with the checksums of the files, sha256")
    said = card["sha256"]
    names = [*FILES, *([INT8_FILE] if INT8_FILE in said else [])]
    for name in names:
        digest = said.get(name)
        if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
            raise ValueError(
                f"the checksum of {name} is {str(digest)[:100]!r}, expected 64 hexadecimal digits"
            )
    return {name: said[name] for name in names}


def _check_card(card: dict[str, Any]) -> None:
    """Refuse a card that says of the network what cannot be understood."""
    for where, kind in _OF_CARD.items():
        value: Any = card
        for name in where.split("."):
            value = value.get(name, NOTHING) if isinstance(value, dict) else NOTHING
        if value is not NOTHING and not isinstance(value, kind):
            raise ValueError(
                f"{where} is {str(value)[:100]!r}, expected {'a table' if kind is dict else 'text'}"
            )
    said = card.get("precision", {}).get("int8", {}).get("largest_deviation", 0.0)
    if type(said) not in (int, float) or not 0 <= said <= MOST_DEVIATION:
        raise ValueError(f"the deviation of int8 is {str(said)[:100]!r}, expected a number")


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _read_verified(path: Path, expected: str) -> bytes:
    try:
        content = read_file(path, MOST_BYTES if path.suffix == ".npz" else MOST_MODEL)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing: download the bundle again") from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from None
    found = sha256_of(content)
    if found != expected:
        raise BundleError(
            f"{path} is damaged or changed: its SHA-256 is {found[:12]}…, the card says "
            f"{expected[:12]}…; download the bundle again, or re-export it"
        )
    return content
