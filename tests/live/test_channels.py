"""What a user says of the channels: a cap, a file, or labels."""

import numpy as np
import pytest
from convdip import Imager
from convdip.errors import MontageError
from convdip.live.cap_places import cap_names
from convdip.live.channels import parse_channels, read_channels
from convdip.live.montage import match_montage
from convdip.live.settings import Settings


def test_a_file_names_the_channels_whatever_the_stream_calls_them(shipped, tmp_path):
    file = tmp_path / "cap.txt"
    channels = shipped.head.channels
    lines = ["# my cap", "-", *channels[:20], "", *channels[20:], "ECG  # heart", "  # the end"]
    file.write_text("\n".join(lines), encoding="utf-8")
    stated = [str(i) for i in range(1, 35)]
    kinds = ["EOG"] * 34  # what the user says counts more
    montage = match_montage(stated, ["uV"] * 34, shipped.head, channels=file, types=kinds)
    assert montage.names == channels
    assert montage.channels.tolist() == [*range(1, 21), *range(22, 33)]
    assert montage.unused == ("1", "22", "34")


@pytest.mark.parametrize("said", ["biosemi128", ["Fp1", "", "E 7", "-"]])
def test_what_was_said_is_read_back_from_the_provenance(said):
    named = read_channels(said)
    assert parse_channels(str(named)) == named


def test_an_imager_takes_channels_and_polarity(shipped):
    samples = np.random.default_rng(0).standard_normal((3, 31)) * 20
    channels = list(shipped.head.channels)
    expected = Imager(channels, model=shipped).maps(samples)
    numbered = Imager([f"Ch{i}" for i in range(31)], channels=channels, invert=True, model=shipped)
    np.testing.assert_allclose(numbered.maps(-samples), expected, atol=1e-6 * abs(expected).max())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Cz\nPz\n", "`channels` has 2 labels and the stream 31 channels"),
        ("C3, C4\n" * 31, "commas"),
    ],
)
def test_a_file_that_does_not_fit_says_how(shipped, tmp_path, content, message):
    file = tmp_path / "cap.txt"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(MontageError, match=message):
        match_montage([""] * 31, ["uV"] * 31, shipped.head, channels=file)


def test_a_cap_that_does_not_fit_says_how(shipped):
    with pytest.raises(MontageError, match=r"'egi64' and the stream has 70 .* 64 or 65, or labels"):
        match_montage([""] * 70, ["uV"] * 70, shipped.head, channels="egi64")


def test_no_file_is_told_with_the_caps_there_are(tmp_path):
    binary = tmp_path / "cap.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    for said in ("biosemi31", str(tmp_path), str(binary)):
        with pytest.raises(MontageError, match=r"no cap's name, and cannot be read") as error:
            Settings(channels=said)
        assert all(cap in str(error.value) for cap in cap_names())
    assert Settings(channels=" BioSemi32 ").channels
