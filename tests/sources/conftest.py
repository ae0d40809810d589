"""Recordings written byte by byte, so that a test knows what is stored in them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
from scipy.io import savemat

if TYPE_CHECKING:
    import mne

LABELS = ("Fp1", "Fp2", "Cz", "Oz")
SFREQ_HZ = 100


@pytest.fixture
def numbers() -> np.ndarray:
    """What is stored, of shape (n_times, 4): whole numbers, which every format keeps."""
    return np.random.default_rng(0).integers(-300, 300, (3 * SFREQ_HZ, len(LABELS))).astype(float)


def write_edf(
    path: Path, numbers: np.ndarray, units: Sequence[str], labels: Sequence[str] = LABELS
) -> Path:
    """Write an EDF file with records of one second."""
    n = len(labels)

    def fields(width: int, *values: object) -> bytes:
        return b"".join(str(value).encode("latin-1").ljust(width) for value in values)

    n_records = len(numbers) // SFREQ_HZ
    header = (
        fields(8, 0) + fields(80, "X", "X") + fields(8, "01.01.25", "00.00.00", 256 * (n + 1))
        + fields(44, "") + fields(8, n_records, 1) + fields(4, n)
        + fields(16, *labels) + fields(80, *[""] * n) + fields(8, *units)
        + fields(8, *[-3276.8] * n, *[3276.7] * n, *[-32768] * n, *[32767] * n)
        + fields(80, *[""] * n) + fields(8, *[SFREQ_HZ] * n) + fields(32, *[""] * n)
    )  # fmt: skip
    records = np.rint(numbers * 10).astype("<i2").reshape(n_records, SFREQ_HZ, n)
    path.write_bytes(header + records.transpose(0, 2, 1).tobytes())
    return path


def write_brainvision(path: Path, numbers: np.ndarray, units: Sequence[str]) -> Path:
    """Write a BrainVision header, its data and markers beside it."""
    channels = "\n".join(
        f"Ch{i + 1}={label},,0.1,{unit}"
        for i, (label, unit) in enumerate(zip(LABELS, units, strict=True))
    )
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\n"
        f"DataOrientation=MULTIPLEXED\nNumberOfChannels={len(LABELS)}\n"
        f"SamplingInterval={1e6 / SFREQ_HZ:g}\n[Binary Infos]\nBinaryFormat=INT_16\n"
        f"[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )
    path.with_suffix(".eeg").write_bytes(np.rint(numbers * 10).astype("<i2").tobytes())
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n[Marker Infos]\nMk1=Stimulus,S  7,51,1,0\n",
        encoding="utf-8",
    )
    return path


def write_eeglab(path: Path, numbers: np.ndarray) -> Path:
    """Write an EEGLAB set with the data in it."""
    eeg = {
        "setname": "test", "nbchan": len(LABELS), "pnts": len(numbers), "trials": 1,
        "srate": SFREQ_HZ, "xmin": 0.0, "xmax": len(numbers) / SFREQ_HZ, "data": numbers.T,
        "chanlocs": np.array([(label,) for label in LABELS], dtype=[("labels", object)]),
        "event": [], "epoch": [], "icawinv": [], "icaweights": [], "icasphere": [],
    }  # fmt: skip
    savemat(path, {"EEG": eeg}, appendmat=False)
    return path


def raw_fif(numbers: np.ndarray) -> mne.io.BaseRaw:
    import mne

    info = mne.create_info(list(LABELS), SFREQ_HZ, "eeg", verbose="error")
    return mne.io.RawArray(numbers.T, info, verbose="error")


@dataclass(frozen=True)
class Recorded:
    """A stream to be written into an XDF file."""

    samples: Sequence[Sequence[object]] | np.ndarray
    stamps: Sequence[float] | np.ndarray
    name: str = "Amp"
    type: str = "EEG"
    format: str = "float32"
    rate_hz: float = SFREQ_HZ
    desc: str = ""
    source_id: str = ""


def described(units: Sequence[str], labels: Sequence[str] = LABELS, **more: str) -> str:
    """Return the usual description of channels."""
    rest = "".join(f"<{key}>{value}</{key}>" for key, value in more.items())
    channels = "".join(
        f"<channel><label>{label}</label><unit>{unit}</unit>{rest}</channel>"
        for label, unit in zip(labels, units, strict=True)
    )
    return f"<channels>{channels}</channels>"


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def _values(row: Sequence[object], kind: str) -> bytes:
    if kind != "string":
        number = {"float32": "<f4", "int16": "<i2", "int32": "<i4"}[kind]
        return np.asarray(row).astype(number).tobytes()
    texts = [str(value).encode() for value in row]
    return b"".join(b"\x04" + struct.pack("<I", len(text)) + text for text in texts)


def xdf_bytes(*streams: Recorded) -> bytes:
    """Return an XDF file; its streams are numbered from 1."""
    parts = [b"XDF:", _chunk(1, b"<info><version>1.0</version></info>")]
    for number, stream in enumerate(streams, 1):
        n_channels = len(stream.samples[0]) if len(stream.samples) else 1
        header = (
            f"<info><name>{escape(stream.name)}</name><type>{stream.type}</type>"
            f"<channel_count>{n_channels}</channel_count><nominal_srate>{stream.rate_hz}"
            f"</nominal_srate><channel_format>{stream.format}</channel_format>"
            f"<source_id>{stream.source_id}</source_id><desc>{stream.desc}</desc></info>"
        )
        parts.append(_chunk(2, struct.pack("<I", number) + header.encode()))
        for first in range(0, len(stream.samples), 50):
            rows = [
                b"\x08" + struct.pack("<d", stamp) + _values(row, stream.format)
                for stamp, row in zip(
                    stream.stamps[first : first + 50],
                    stream.samples[first : first + 50],
                    strict=True,
                )
            ]
            content = struct.pack("<I", number) + b"\x04" + struct.pack("<I", len(rows))
            parts.append(_chunk(3, content + b"".join(rows)))
    return b"".join(parts)


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Write numbers into a file of one of the formats, with the unit that it is to state."""

    def write(kind: str, numbers: np.ndarray, unit: str = "uV", **more: Any) -> Path:
        units = [unit] * numbers.shape[1]
        path = tmp_path / f"stored.{kind}"
        if kind == "edf":
            return write_edf(path, numbers, units)
        if kind == "vhdr":
            return write_brainvision(path, numbers, units)
        if kind == "set":
            return write_eeglab(path, numbers)
        if kind == "fif":
            raw_fif(numbers).save(path.with_name("stored_raw.fif"), fmt="double", verbose="error")
            return path.with_name("stored_raw.fif")
        stamps = 100 + np.arange(len(numbers)) / SFREQ_HZ
        spec: dict[str, Any] = {
            "samples": numbers,
            "stamps": stamps,
            "desc": described(units),
            **more,
        }
        path.write_bytes(xdf_bytes(Recorded(**spec)))
        return path

    return write


@pytest.fixture
def edf(tmp_path: Path) -> Callable[..., Path]:
    """Write an EDF file; each channel states a unit."""

    def write(numbers: np.ndarray, units: Sequence[str], labels: Sequence[str] = LABELS) -> Path:
        return write_edf(tmp_path / "stored.edf", numbers, units, labels)

    return write


@pytest.fixture
def xdf(tmp_path: Path) -> Callable[..., Path]:
    """Write streams into an XDF file, each given by the fields of `Recorded`."""

    def write(*streams: dict[str, Any]) -> Path:
        path = tmp_path / "session.xdf"
        path.write_bytes(xdf_bytes(*(Recorded(**stream) for stream in streams)))
        return path

    return write


@pytest.fixture
def channels() -> Callable[..., str]:
    """Return the usual description of channels: labels, units, and more of the same for each."""
    return described
