"""A proof end to end, and what it refuses before minutes have gone."""

import json
import subprocess
import sys
from itertools import pairwise

import pytest
from convdip.errors import ConfigError
from convdip.live.settings import Settings
from convdip.prove.outcome import SNRS
from convdip.prove.picture import LOBES, in_order, lobe_of
from convdip.prove.report import check_folder
from convdip.prove.run import settings_file
from convdip.prove.session import BANDS

KINDS = {"pulses": 34, "positive": 17, "negative": 17, **dict.fromkeys(BANDS, 17)}


@pytest.mark.long
def test_a_quick_proof_finds_what_was_planted(tmp_path):
    folder = tmp_path / "proof"
    command = [sys.executable, "-m", "convdip", "prove", "--quick", "--json", "--seed", "2"]
    command += ["--provider", "cpu", "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert (found["ok"], found["complaint"]) == (True, "")
    assert set(found["samples"]["lost"].values()) == {0}
    assert set(found["samples"]["received"].values()) == {found["samples"]["sent"]}
    assert set(found["found"]) == {*KINDS, *SNRS}
    for kind, n in KINDS.items():
        one = found["found"][kind]
        assert one["strongest"]["n"] + one["suspended"] == n
        assert one["strongest"]["low"] > one["strongest"]["chance"]
        assert one["among_three"]["share"] >= one["strongest"]["share"]
        assert one["centre_mm"]["median"] < one["centre_mm"]["chance"] / 2
        assert one["far_share"] < found["far_by_chance"] / 2
    faint, _, clear = (found["found"][kind]["strongest"] for kind in SNRS)
    assert faint["share"] < clear["share"]
    assert found["dipole_mm"]["median"] < found["dipole_mm"]["chance"] / 2
    assert found["sign_right"]["low"] > 0.5
    least, _, most = found["trusts"]
    assert 0 <= least["said"] < most["said"] <= 1
    assert least["right"]["share"] <= most["right"]["share"]
    for band, shares in found["across"].items():
        assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
        assert max(shares, key=lambda other: shares[other]) == band
    for delay in found["delays"].values():
        assert delay["half"]["median"] == pytest.approx(delay["stated"], abs=0.1)
        assert delay["half"]["median"] < delay["ninety"]["median"]
    assert sum(map(sum, found["confusion"])) == sum(
        found["found"][kind]["strongest"]["n"] for kind in ("pulses", *BANDS)
    )
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert found["about"]["model_sha256"] in text
    assert "upper bound" in text
    assert "nan" not in text
    assert (folder / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_mistake_is_told_before_minutes_have_gone(call, tmp_path):
    (tmp_path / "thesis.tex").touch()
    for arguments, words in (
        (("--output", tmp_path), "which holds 'thesis.tex': expected"),
        (("--model", "nonesuch"), "no model 'nonesuch'"),
        (("--seed", -1), "--seed is -1: expected"),
    ):
        done = call("convdip", "prove", *arguments)
        assert done.returncode == 2
        assert words in done.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_earlier_report_can_be_written_anew_and_a_file_cannot(tmp_path):
    check_folder(tmp_path / "new" / "proof")
    (tmp_path / "new" / "proof" / "report.md").touch()
    check_folder(tmp_path / "new" / "proof")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="`output` is"):
        check_folder(tmp_path / "file")


def test_the_service_takes_the_settings(tmp_path, shipped):
    """A feature for each region and band, in the order in which they are read."""
    path = tmp_path / "prove.toml"
    path.write_text(settings_file("Any", 'a "model"', "cpu", shipped.head), encoding="utf-8")
    settings = Settings(features=path)
    assert settings.bands == tuple(BANDS.values())
    assert len(settings.measured) == 3 * 68
    assert settings.measured[68].band_hz == BANDS["alpha"]
    assert settings.measured[68].regions == settings.measured[0].regions


def test_every_region_of_the_atlas_has_a_lobe(shipped):
    names = [name for name in shipped.head.atlas_names if not name.startswith("unknown")]
    assert not [name for name in names if "other" in lobe_of(name)]
    stems = [stem for stems in LOBES.values() for stem in stems]
    assert len(stems) == len(set(stems)) == 34
    order = in_order(tuple(names))
    assert sorted(order) == list(range(len(names)))
    lobes = [lobe_of(names[place]) for place in order]
    assert sum(a != b for a, b in pairwise(lobes)) == 2 * len(LOBES) - 1
