"""Shared fixtures. LSL is settled here, before anything loads it: streams of the tests stay on
this computer, in a session and on ports of their own, and child processes inherit that.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Several processes share the tests' computer: threads of a BLAS that wait for work would take turns
# with them, and most of its time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnx
import psutil
import pylsl
import pytest
from hypothesis import settings

# No deadline: the tests' computer has two cores, and other things to do. The same examples every
# time: what lands must not depend on luck. Try others with --hypothesis-profile=default.
settings.register_profile("convdip", deadline=None, derandomize=True)
settings.load_profile("convdip")

_lsl_settings = tempfile.NamedTemporaryFile("w", suffix=".cfg", delete=False)  # noqa: SIM115
# liblsl finds streams on one computer by asking its 32 ports: where other programs have taken
# them, as a second run of these tests would, new streams are not found at all.
_base_port = 17_000 + 100 * (os.getpid() % 150)
_lsl_settings.write(
    f"[lab]\nSessionID = test-{uuid.uuid4().hex}\nKnownPeers = {{127.0.0.1}}\n"
    "[multicast]\nResolveScope = machine\nListenAddress = 127.0.0.1\n"
    f"[ports]\nBasePort = {_base_port}\nPortRange = 90\nIPv6 = disable\n[log]\nlevel = -3\n"
)
_lsl_settings.close()
os.environ["LSLAPICFG"] = _lsl_settings.name
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# A shell starts its background jobs with Ctrl-C ignored, nohup with a closed terminal, and their
# children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

from convdip import Bundle, Head, load_bundle  # noqa: E402
from convdip.live.network import Network  # noqa: E402
from convdip.terminal import ENDINGS  # noqa: E402

REPOSITORY = Path(__file__).parent.parent
# Open in a process between two tests: more are streams that nobody uses any more.
MOST_FILES = 100
# The files that take longest, the longest first.
LONGEST = (
    "training/test_end_to_end.py", "display/test_window.py", "display/web/test_browser.py",
    "test_examples.py", "live/test_identity.py", "live/test_service.py", "test_wheel.py",
    "interop/test_foreign_programs.py", "display/web/test_access.py", "live/test_preparation.py",
    "live/test_rhythms.py", "live/test_timeliness.py", "display/test_start_page.py",
    "live/test_feedback.py", "prove/test_report.py",
)  # fmt: skip
RECORDINGS = Path(os.environ.get("CONVDIP_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that other processes have all others meanwhile."""
    places = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def _give_back_ports() -> Iterator[None]:
    """Collect what tests left behind, once it is much: streams in cycles of references keep their
    ports, of which there are 90, and behind these none is found.
    """
    yield
    if psutil.Process().num_fds() > MOST_FILES:
        gc.collect()


def pytest_sessionfinish() -> None:
    Path(_lsl_settings.name).unlink(missing_ok=True)


def icosphere(subdivisions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vertices and outward triangles of a subdivided icosahedron."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, y, z * golden) for y in (-1, 1) for z in (-1, 1)]
    points = np.array([np.roll(c, shift) for shift in range(3) for c in corners])
    points /= np.linalg.norm(points[0])
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    near = gaps < 1.01 * gaps[gaps > 0].min()
    triangles = [
        (i, j, k)
        for i in range(12)
        for j in range(i)
        for k in range(j)
        if near[i, j] and near[j, k] and near[i, k]
    ]
    for _ in range(subdivisions):
        vertices, number, split = list(points), {}, []
        for triangle in triangles:
            middles = []
            for a, b in zip(triangle, np.roll(triangle, -1), strict=True):
                edge = (min(a, b), max(a, b))
                if edge not in number:
                    number[edge] = len(vertices)
                    middle = points[a] + points[b]
                    vertices.append(middle / np.linalg.norm(middle))
                middles.append(number[edge])
            (a, b, c), (ab, bc, ca) = triangle, middles
            split += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        points, triangles = np.array(vertices), split
    faces = np.array(triangles)
    a, b, c = points[faces].transpose(1, 0, 2)
    inward = np.einsum("ij,ij->i", np.cross(b - a, c - a), a) < 0
    faces[inward] = faces[inward][:, ::-1]
    return points, faces.astype(np.int32)


def free_space_lead_field(
    electrodes_m: np.ndarray, dipoles_m: np.ndarray, normals: np.ndarray
) -> np.ndarray:
    """Return an average-referenced lead field in an infinite homogeneous conductor."""
    offsets_m = electrodes_m[:, None] - dipoles_m
    distances_m = np.linalg.norm(offsets_m, axis=2)
    lead_field = np.einsum("edi,di->ed", offsets_m, normals) / distances_m**3
    lead_field /= 4 * np.pi * 0.3
    return lead_field - lead_field.mean(axis=0)


@pytest.fixture(scope="session")
def toy_head(shipped: Bundle) -> Head:
    """A tiny head: two spheres of 162 dipoles in an infinite homogeneous conductor."""
    points, triangles = icosphere(2)
    centres_m = np.array([[-0.036, -0.017, 0.02], [0.036, -0.017, 0.02]])
    dipoles_m = np.concatenate([points * 0.033 + centre for centre in centres_m])
    normals = np.concatenate([points, points])
    electrodes_m = shipped.head.electrodes_m
    lead_field = free_space_lead_field(electrodes_m, dipoles_m, normals)
    n = len(points)
    return Head(
        channels=shipped.head.channels,
        electrodes_m=electrodes_m,
        interpolation=shipped.head.interpolation,
        lead_field=lead_field.astype(np.float32),
        dipoles_m=dipoles_m.astype(np.float32),
        normals=normals.astype(np.float32),
        triangles=np.concatenate([triangles, triangles + n]),
        pial_m=dipoles_m.astype(np.float32),
        inflated_m=dipoles_m.astype(np.float32),
        sulcal_depth=np.zeros(2 * n, np.float32),
        atlas=np.repeat([0, 1], n).astype(np.int32),
        atlas_names=("all-lh", "all-rh"),
        n_left=n,
    )


@pytest.fixture(scope="session")
def walled_head(toy_head: Head) -> Head:
    """The same with a medial wall: the inner cap of either sphere."""
    is_inner = np.abs(toy_head.dipoles_m[:, 0]) < 0.012
    return replace(
        toy_head,
        atlas=np.where(is_inner, toy_head.atlas + 2, toy_head.atlas).astype(np.int32),
        atlas_names=(*toy_head.atlas_names, "unknown-lh", "unknown-rh"),
    )


@pytest.fixture(scope="session")
def toy_scalp_head(walled_head: Head, any_cap: Bundle) -> Head:
    """The same with electrodes at all places of the 10-05 system."""
    assert any_cap.head.scalp is not None
    scalp = any_cap.head.scalp
    field = free_space_lead_field(scalp.places_m, walled_head.dipoles_m, walled_head.normals)
    return replace(walled_head, scalp=replace(scalp, lead_field=field.astype(np.float32)))


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """The model that comes with the project."""
    return load_bundle()


@pytest.fixture(scope="session")
def any_cap() -> Bundle:
    """The bundle of the network that takes any cap."""
    return load_bundle("convdip-anycap")


@pytest.fixture(scope="session")
def any_cap_network(any_cap: Bundle) -> Network:
    """Its network, on the CPU."""
    return Network(any_cap.model, any_cap.head, "cpu")


@pytest.fixture
def hand() -> Callable[[Head], int]:
    """Return a dipole of the left precentral gyrus that is seen from the side."""

    def find(head: Head) -> int:
        regions = np.array(head.atlas_names)[head.atlas]
        lateral = np.where(regions == "precentral-lh", head.inflated_m[:, 0], np.inf)
        return int(lateral.argmin())

    return find


@pytest.fixture(scope="session")
def inverse() -> Callable[[Head], np.ndarray]:
    """Return a linear inverse that finds every single dipole: sLORETA."""

    def make(head: Head) -> np.ndarray:
        field = head.lead_field - head.lead_field.mean(axis=0)
        gram = field @ field.T
        weights = (
            np.linalg.pinv(gram + 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))) @ field
        )
        weights /= np.sqrt(np.vecdot(weights.T, field.T))
        return np.asarray(weights / np.abs(weights).max(), np.float32)

    return make


@pytest.fixture(scope="session")
def deep_model(inverse: Callable[[Head], np.ndarray]) -> Callable[[Head, int], bytes]:
    """Return that inverse in many steps: the more, the longer each sample takes."""

    def make(head: Head, n_steps: int, width: int = 1024) -> bytes:
        kernel, identity = inverse(head), np.eye(width, dtype=np.float32)
        last = np.zeros((width, head.n_dipoles), np.float32)
        last[: len(kernel)] = kernel
        weights = [
            onnx.numpy_helper.from_array(array, name)
            for name, array in (
                ("first", identity[: len(kernel)].copy()),
                ("step", identity),
                ("last", last),
            )
        ]
        names = ["eeg", *(f"x{i}" for i in range(n_steps + 1)), "sources"]
        kernels = ["first", *["step"] * n_steps, "last"]
        nodes = [
            onnx.helper.make_node("MatMul", [names[i], kernel], [names[i + 1]])
            for i, kernel in enumerate(kernels)
        ]
        ports = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
            for name, size in (("eeg", 31), ("sources", head.n_dipoles))
        ]
        graph = onnx.helper.make_graph(nodes, "deep", ports[:1], ports[1:], weights)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
        model.ir_version = 9
        return model.SerializeToString()

    return make


@pytest.fixture(scope="session")
def failing_model(inverse: Callable[[Head], np.ndarray]) -> Callable[[Head], bytes]:
    """Return that inverse with a fault: by chance, the 89th run of a session fails."""

    def make(head: Head) -> bytes:
        node = onnx.helper.make_node
        nodes = [
            node("MatMul", ["eeg", "kernel"], ["maps"]),
            node("RandomUniform", [], ["chance"], shape=[1], seed=5.0),
            node("Greater", ["chance", "most"], ["is_too_much"]),
            node("Cast", ["is_too_much"], ["place"], to=onnx.TensorProto.INT64),
            node("Gather", ["nothing", "place"], ["added"]),  # there is no second place
            node("Add", ["maps", "added"], ["sources"]),
        ]
        weights = [
            onnx.numpy_helper.from_array(array, name)
            for name, array in (
                ("kernel", inverse(head)),
                ("most", np.array([0.99], np.float32)),
                ("nothing", np.zeros(1, np.float32)),
            )
        ]
        ports = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
            for name, size in (("eeg", head.n_electrodes), ("sources", head.n_dipoles))
        ]
        graph = onnx.helper.make_graph(nodes, "failing", ports[:1], ports[1:], weights)
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
        model.ir_version = 9
        return model.SerializeToString()

    return make


@pytest.fixture
def bundle_of(tmp_path: Path, shipped: Bundle) -> Callable[[bytes], Path]:
    """Write a bundle on the shipped head of a model."""

    def write(model: bytes) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="bundle-", dir=tmp_path))
        (folder / "model.onnx").write_bytes(model)
        shutil.copy(shipped.path / "head.npz", folder)
        digests = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
        }
        (folder / "card.json").write_text(json.dumps({"sha256": digests}))
        return folder

    return write


@pytest.fixture
def slow_bundle(
    shipped: Bundle,
    deep_model: Callable[[Head, int], bytes],
    bundle_of: Callable[[bytes], Path],
) -> Callable[[int], Path]:
    """Write a bundle whose network takes about 0.04 ms a step and sample."""
    return lambda n_steps: bundle_of(deep_model(shipped.head, n_steps))


@pytest.fixture
def recording() -> Callable[[str], Path]:
    """Return the path of a public recording, which lies beside the project, not in it."""

    def find(name: str) -> Path:
        path = RECORDINGS / name
        if not path.exists():
            pytest.skip(f"{path} is not here: see docs/data.md")
        return path

    return find


@pytest.fixture
def unique() -> str:
    """A stream name that no other test uses."""
    return f"Test{uuid.uuid4().hex[:10]}"


@pytest.fixture
def convdip(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``convdip`` in a process of its own; what is still running ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        with (tmp_path / f"stderr-{len(started)}").open("w") as messages:
            process = subprocess.Popen(
                [sys.executable, "-m", "convdip", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
                cwd=tmp_path,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class Ended:
    """How a program ended and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Run a program as its console script does, but without a process of its own.

    For all that ends by itself and quickly: another interpreter would cost seconds, and find
    nothing more. What a program changes in its process is as before when it has ended.
    """

    def run(package: str, *arguments: object, cwd: Path = tmp_path) -> Ended:
        program = importlib.import_module(f"{package}.__main__")
        config, root = program.app.config, logging.getLogger()
        handlers, level = list(root.handlers), root.level
        answers = {number: signal.getsignal(number) for number in ENDINGS}
        capsys.readouterr()
        root.handlers.clear()  # else the program would leave logging as it is
        try:
            with monkeypatch.context() as patched, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Cyclopts application invoked without tokens")
                patched.chdir(cwd)
                patched.setattr(sys, "argv", [package, *map(str, arguments)])
                with pytest.raises(SystemExit) as ended:
                    program.main()
        finally:
            program.app.config = config
            root.handlers[:] = handlers
            root.setLevel(level)
            for number, answer in answers.items():
                signal.signal(number, answer)
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return run


class Lan:
    """Computers and a cable, as network namespaces of Linux."""

    def __init__(self, names: list[str], home: Path) -> None:
        self._names = names
        # LSL's configuration is a user's own: that of the tests keeps to one computer.
        self._env = {key: value for key, value in os.environ.items() if key != "LSLAPICFG"}
        self._env["HOME"] = str(home)

    def plug(self, *computers: int) -> None:
        """Connect two computers."""
        ends = [self._names[computer][-9:] for computer in computers]
        assert ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for computer, end in zip(computers, ends, strict=True):
            name = self._names[computer]
            assert ip("link", "set", end, "netns", name)
            # One that takes another's place has its address, too.
            assert ip("-n", name, "addr", "add", f"10.77.0.{min(computer, 1) + 1}/24", "dev", end)
            assert ip("-n", name, "link", "set", end, "up")
            assert ip("-n", name, "route", "add", "default", "dev", end)

    def pull(self, computer: int) -> None:
        """Pull the cable out of a computer: what was on its way is lost, and nobody is told."""
        name = self._names[computer]
        assert ip("-n", name, "link", "del", name[-9:])

    def start(self, computer: int, *arguments: object, **how: Any) -> subprocess.Popen[str]:
        """Start Python on a computer."""
        command = ["ip", "netns", "exec", self._names[computer], sys.executable]
        return subprocess.Popen([*command, *map(str, arguments)], env=self._env, **how)


def ip(*arguments: object) -> bool:
    command = ["ip", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Lan]:
    """Three computers, the first two of them connected."""
    if sys.platform != "linux" or not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("needs Linux and its administrator")
    names = [f"convdip{uuid.uuid4().hex[:6]}" for _ in range(3)]
    try:
        if not all(ip("netns", "add", name) for name in names):
            pytest.skip("no network namespaces here")
        for name in names:
            assert ip("-n", name, "link", "set", "lo", "up")
        lan = Lan(names, tmp_path)
        lan.plug(0, 1)
        yield lan
    finally:
        for name in names:
            ip("netns", "del", name)


@pytest.fixture
def doubles_outlet() -> Callable[[str, Sequence[str], float, str], pylsl.StreamOutlet]:
    """Announce EEG in microvolts as wide numbers, since an offset takes float32's digits."""

    def announce(
        name: str, labels: Sequence[str], rate_hz: float, source_id: str
    ) -> pylsl.StreamOutlet:
        info = pylsl.StreamInfo(name, "EEG", len(labels), rate_hz, "double64", source_id)
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            channel.append_child_value("unit", "microvolts")
        return pylsl.StreamOutlet(info)

    return announce


@pytest.fixture
def prime() -> Callable[[pylsl.StreamOutlet, int, pylsl.StreamInlet], None]:
    """Send zeros until a client gets some, then let it read all: liblsl may lose the first
    samples of a connection.
    """

    def send(sender: pylsl.StreamOutlet, n_channels: int, client: pylsl.StreamInlet) -> None:
        deadline = time.monotonic() + 60
        while not len(client.pull_chunk(timeout=0.1, max_samples=1, as_numpy=True)[1]):
            assert time.monotonic() < deadline, "the client never got a sample"
            sender.push_chunk(np.zeros((1, n_channels), np.float32), [pylsl.local_clock()])
        while len(client.pull_chunk(timeout=0.3, max_samples=1, as_numpy=True)[1]):
            pass

    return send


@pytest.fixture
def said(tmp_path: Path) -> Callable[..., str]:
    """Return what the n-th started ``convdip`` wrote to stderr, once it holds some words."""

    def read(n: int, words: str = "", timeout_s: float = 60.0) -> str:
        deadline = time.monotonic() + timeout_s
        while words not in (text := (tmp_path / f"stderr-{n}").read_text()):
            assert time.monotonic() < deadline, f"never said {words!r}, but: {text}"
            time.sleep(0.05)
        return text

    return read
