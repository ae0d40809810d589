"""The wheel, as a user gets it: built, installed into an empty environment, and run there.

The environment's Python is another than the tests' own where one is installed, the newest, so that
the live service is tried on two.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
# The newest Python that all of the locked packages have wheels for.
NEWEST = (3, 13)

# Tests of the live service that need no LSL, no window and no MNE: quick on a second Python.
UNITS = (
    "tests/test_bundle.py", "tests/test_docstring_examples.py", "tests/demo",
    "tests/display/test_history.py", "tests/display/test_limits.py",
    "tests/display/test_ring_properties.py", "tests/live/test_gap_properties.py",
    "tests/live/test_channels.py", "tests/live/test_health.py", "tests/live/test_imager.py",
    "tests/live/test_label_properties.py", "tests/live/test_montage.py",
    "tests/live/test_network.py", "tests/live/test_scale.py", "tests/live/test_units.py",
    "tests/prove/test_score.py", "tests/sources/test_background.py", "tests/test_patches.py",
    "tests/sources/test_simulator.py",
)  # fmt: skip
NEED = ("hypothesis", "onnx", "pytest", "pytest-timeout", "pytest-xvfb")

pytestmark = pytest.mark.timeout(900)


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    return done


def uv(*arguments: object, cwd: Path = REPOSITORY) -> str:
    return run(Path(sys.executable).parent / "uv", *arguments, cwd=cwd).stdout


def version_of(python: Path) -> tuple[int, int]:
    """Return a Python's version; (0, 0) if it is none, as pyenv's stand-ins of others."""
    ask = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    said = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.split()
    return (int(said[0]), int(said[1])) if len(said) == 2 else (0, 0)


def other_python() -> str:
    """Return the newest other Python on this computer that the project supports, or this one."""
    names = [f"python3.{minor}" for minor in range(11, NEWEST[1] + 1)]
    found = [Path(path) for name in names if (path := shutil.which(name))]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found += pyenv.glob("versions/3.*/bin/python")
    versions = {version_of(path): path for path in found}
    others = [v for v in versions if (3, 11) <= v <= NEWEST and v != sys.version_info[:2]]
    return str(versions[max(others)]) if others else sys.executable


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make an environment of the wheel, what it asks for, and other packages.

    All in the locked versions. Returns the folder of the environment's programs.
    """
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--quiet", "--wheel", "--out-dir", folder)
    [wheel] = folder.glob("*.whl")
    exported = ("--all-extras", "--no-emit-project", "--no-hashes", "--no-annotate")
    uv("export", "--quiet", "--frozen", *exported, "--output-file", folder / "locked.txt")

    def make(name: str, *others: str) -> Path:
        env = folder / name
        uv("venv", "--quiet", "--python", other_python(), env, cwd=folder)
        how = ("--quiet", "--python", env, "--constraint", folder / "locked.txt")
        uv("pip", "install", *how, wheel, *others, cwd=folder)
        return env / "bin"

    return make


@pytest.fixture(scope="module")
def installed(install: Callable[..., Path]) -> Path:
    return install("empty")


def test_it_brings_what_it_needs_and_nothing_heavy(installed, tmp_path):
    listed = uv("pip", "list", "--format", "json", "--python", installed.parent, cwd=tmp_path)
    names = {package["name"] for package in json.loads(listed)}
    assert {"convdip-realtime", "numpy", "pylsl"} <= names
    assert not names & {"tensorflow", "keras", "torch", "mne", "pandas", "matplotlib", "pyside6"}


def test_the_package_imports_and_finds_its_model(installed, tmp_path):
    code = "import convdip; b = convdip.load_bundle(); print(b.sha256, b.path, convdip.__file__)"
    sha256, *places = run(installed / "python", "-c", code, cwd=tmp_path).stdout.split()
    assert re.fullmatch("[0-9a-f]{64}", sha256)
    # Not the checkout's: the wheel's own.
    assert all(Path(place).is_relative_to(installed.parent) for place in places)


def test_the_program_says_its_version_and_helps(installed, tmp_path):
    pyproject = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    version = pyproject["project"]["version"]
    assert run(installed / "convdip", "--version", cwd=tmp_path).stdout.strip() == version
    by_name = run(installed / "convdip", "--help", cwd=tmp_path).stdout
    assert "replay" in by_name
    assert run(installed / "python", "-m", "convdip", "--help", cwd=tmp_path).stdout == by_name


def test_the_demo_runs(installed, tmp_path):
    done = run(installed / "convdip", "demo", "--seconds", 6, "--json", cwd=tmp_path)
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["ok"]
    assert report["lost"] == 0


def test_training_without_its_extra_says_what_to_install(installed, tmp_path):
    program = installed / "convdip-train"
    done = subprocess.run([program, "head"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "is not installed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_the_units_pass_on_this_python_too(install):
    """With the wheel, not the checkout."""
    python = install("with-tests", *NEED) / "python"
    done = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *UNITS, cwd=REPOSITORY)
    assert " passed" in done.stdout
    assert "failed" not in done.stdout
