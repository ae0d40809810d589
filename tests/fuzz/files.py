"""Bundles, settings, protocols and baselines that are damaged, or made to harm who reads them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from convdip import Imager, load_bundle
from convdip.__main__ import _read_settings
from convdip.bundle import sha256_of
from convdip.errors import ConvDipError
from convdip.feedback.rest import Rest
from convdip.head import Head
from convdip.live import known_answer, network
from convdip.live.loop.feature_settings import read_features
from convdip.live.loop.protocol_file import read_protocol
from convdip.live.settings import Settings
from convdip.live.tuning import open_network
from onnx import helper, numpy_helper
from scipy.spatial import ConvexHull

TARGET = 10_000
REFUSED = (ConvDipError,)
AT_MOST_S, MEMORY_MB, GROWTH_MB = 60.0, 3000.0, 60.0
# No graph of these is long.
network.LOAD_S = known_answer.LIMIT_S = 10.0

PER_HEMISPHERE = 60
OPERATORS = (
    "MatMul", "Add", "Mul", "Identity", "Relu", "Softmax", "Transpose", "Reshape", "Gather", "Loop",
    "If", "Scan", "Expand", "ConstantOfShape", "Conv", "Gemm", "Tile", "Range", "Cast", "Resize",
    "TopK", "NonZero", "Einsum", "Slice", "Unsqueeze", "ReduceMean", "LayerNormalization",
)  # fmt: skip
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63, 10**400, 1e308, -0.0, float("nan"), float("inf"), "", "x",
    "a\x1b[2J", "\u202e", "\ud800", "x" * 5000, [], {}, [[]], {"a": {"a": {}}}, "NaN", "../..", "/",
)  # fmt: skip
SETTINGS = """
[run]
input = "Amp"
name = "Lab"
wait-s = 1.5
band = [8, 12]
bad = ["C3", "C4"]
filter = true
[feature.alpha]
regions = ["cuneus", "pericalcarine"]
band_hz = [8, 12]
window_s = 0.5
[feature.ratio]
of = "log(alpha)"
"""
PROTOCOL = """
name = "alpha up"
sham = "other"
blocks = [
  {kind = "rest", seconds = 60},
  {kind = "regulate", seconds = 30, begin = "GO", name = "first"},
  {kind = "sham", seconds = 30},
]
"""
REST = '{"of": "alpha", "median": [0.5], "spread": [0.1]}'


def _head() -> Head:
    """Return a head of two small spheres in one large conductor."""
    own = load_bundle().head
    k = np.arange(PER_HEMISPHERE) + 0.5
    z, angle = 1 - 2 * k / PER_HEMISPHERE, np.pi * (1 + 5**0.5) * k
    around = np.sqrt(1 - z**2)
    points = np.column_stack([around * np.cos(angle), around * np.sin(angle), z])
    faces = ConvexHull(points).simplices
    centres = np.array([[-0.036, -0.017, 0.02], [0.036, -0.017, 0.02]])
    places, normals = (
        np.concatenate([points * 0.033 + at for at in centres]),
        np.tile(points, (2, 1)),
    )
    offsets = own.electrodes_m[:, None] - places
    field = np.einsum("edi,di->ed", offsets, normals) / np.linalg.norm(offsets, axis=2) ** 3
    field -= field.mean(axis=0)
    n = PER_HEMISPHERE
    single = {
        "lead_field": field, "dipoles_m": places, "normals": normals, "pial_m": places,
        "inflated_m": places, "sulcal_depth": np.zeros(2 * n),
    }  # fmt: skip
    return Head(
        channels=own.channels,
        electrodes_m=own.electrodes_m,
        interpolation=own.interpolation,
        triangles=np.concatenate([faces, faces + n]).astype(np.int32),
        atlas=np.repeat([0, 1], n).astype(np.int32),
        atlas_names=("all-lh", "all-rh"),
        n_left=n,
        **{name: array.astype(np.float32) for name, array in single.items()},
    )


def _model(head: Head) -> bytes:
    """Return the inverse that finds its sources: sLORETA, in two steps."""
    field = head.lead_field.astype(float)
    gram = field @ field.T
    kernel = np.linalg.pinv(gram + 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))) @ field
    kernel /= np.sqrt(np.vecdot(kernel.T, field.T))
    weights = {"kernel": kernel, "scale": np.array(1 / np.abs(kernel).max())}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["eeg", "kernel"], ["x"]),
            helper.make_node("Mul", ["x", "scale"], ["sources"]),
        ],
        "linear",
        [helper.make_tensor_value_info("eeg", 1, ["n", len(kernel)])],
        [helper.make_tensor_value_info("sources", 1, ["n", head.n_dipoles])],
        [
            numpy_helper.from_array(array.astype(np.float32), name)
            for name, array in weights.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def _stored(head: Head) -> dict[str, Any]:
    head.save(file := io.BytesIO())
    with np.load(io.BytesIO(file.getvalue())) as stored:
        return dict(stored)


HEAD = _head()
MODEL = _model(HEAD)
ARRAYS = _stored(HEAD)
FOLDER = Path(tempfile.mkdtemp(prefix="convdip-fuzz-"))
CARD = {"config": {"head": {"subject": "x"}, "simulation": {"signs": "random"}}, "output": "x"}


def attempt(rng: random.Random) -> None:
    """Damage a file, and read it as the service would."""
    warnings.simplefilter("error")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    if rng.random() < 0.3:
        _settings(rng)
    else:
        _bundle(rng)


def _bundle(rng: random.Random) -> None:
    files = {"model.onnx": MODEL, "head.npz": _archive(ARRAYS)}
    damage = rng.choice(DAMAGES)
    damage(rng, files)
    for name, content in files.items():
        (FOLDER / name).write_bytes(content)
    card = {**CARD, "sha256": {name: sha256_of(content) for name, content in files.items()}}
    text = json.dumps(card)
    if damage is _card_or_place:
        text = _other_card(rng, card)
    (FOLDER / "card.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    if damage is _card_or_place:
        _other_place(rng)
    bundle = load_bundle(FOLDER)
    net = open_network(bundle, "cpu", "auto")
    imager = Imager(bundle.head.channels, model=bundle, network=net)
    eeg = np.random.default_rng(rng.randrange(1 << 30)).standard_normal((5, imager._n_channels))
    frame = imager(eeg * 10)
    assert frame.moments_nam.shape == (5, bundle.head.n_dipoles)


def _archive(arrays: dict[str, Any]) -> bytes:
    np.savez(file := io.BytesIO(), allow_pickle=True, **arrays)
    return file.getvalue()


def _flipped(rng: random.Random, content: bytes) -> bytes:
    """Flip bits, cut, repeat, or put in what is not there."""
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if not damaged:
            break
        at = rng.randrange(len(damaged))
        match rng.randrange(5):
            case 0 | 1:
                damaged[at] ^= 1 << rng.randrange(8)
            case 2:
                damaged[at] = rng.choice((0, 0x7F, 0x80, 0xFF))
            case 3:
                del damaged[at : at + rng.choice((1, 4, 1000, len(damaged)))]
            case 4:
                other = rng.randrange(len(damaged))
                damaged[at:at] = damaged[other : other + rng.choice((1, 16, 200))]
    return bytes(damaged)


def _bits_of_the_head(rng: random.Random, files: dict[str, bytes]) -> None:
    files["head.npz"] = _flipped(rng, files["head.npz"])


def _bits_of_the_model(rng: random.Random, files: dict[str, bytes]) -> None:
    files["model.onnx"] = _flipped(rng, files["model.onnx"])


def _directory(rng: random.Random, files: dict[str, bytes]) -> None:
    """Let the archive's directory say of an entry what is not so."""
    content = bytearray(files["head.npz"])
    places = [i for i in range(len(content)) if content[i : i + 4] == b"PK\x01\x02"]
    for _ in range(rng.choice((1, 1, 3))):
        at, form = rng.choice(
            ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (42, "<I"))
        )
        value = rng.choice((0, 1, 8, 12, 0x7FFF, rng.randrange(1 << 16)))
        if form == "<I":
            value = rng.choice(
                (value, 0xFFFFFFFF, 0x7FFFFFFF, len(content), rng.randrange(1 << 32))
            )
        struct.pack_into(form, content, rng.choice(places) + at, value)
    files["head.npz"] = bytes(content)


def _entries(rng: random.Random, files: dict[str, bytes]) -> None:
    """Let arrays be named or written otherwise."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, array in ARRAYS.items():
            np.save(own := io.BytesIO(), array)
            content = own.getvalue()
            if rng.random() < 0.1:
                header = bytearray(content[:128])
                header[:] = _flipped(rng, bytes(header))
                content = bytes(header) + content[128:]
            if rng.random() < 0.05:
                name = rng.choice(("../x", "\x01", "x" * 5000, *ARRAYS))
            method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            if rng.random() < 0.02:
                method = rng.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
            archive.writestr(f"{name}.npy", content, method)
    files["head.npz"] = file.getvalue()


def _arrays(rng: random.Random, files: dict[str, bytes]) -> None:
    """Put other arrays in the place of some."""
    arrays = dict(ARRAYS)
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(arrays))
        array = arrays[name]
        match rng.randrange(9):
            case 0:
                arrays[name] = arrays[rng.choice(list(arrays))]
            case 1:
                kind = rng.choice(("f2", "f8", ">f4", "i1", "i8", "u8", "c8", "U3", "S3", "?", "O"))
                with contextlib.suppress(ValueError), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    arrays[name] = array.astype(kind)
            case 2:
                arrays[name] = array.reshape(rng.choice(((-1,), (1, -1), (-1, 1, 1))))
            case 3 if array.ndim:
                arrays[name] = array[: rng.choice((0, 1, len(array) - 1))]
            case 4 if array.dtype.kind == "f":
                arrays[name] = changed = array.copy()
                value = rng.choice((np.nan, np.inf, 0.0, 1e38, -1e38, 1e-38, 5.0))
                changed.flat[rng.randrange(array.size) :: rng.choice((1, 7, array.size))] = value
            case 5 if array.dtype.kind == "i":
                arrays[name] = np.full_like(array, rng.choice((-1, 0, 1, 119, 120, 2**31 - 1)))
            case 6 if array.ndim:
                arrays[name] = array[
                    np.random.default_rng(rng.randrange(99)).permutation(len(array))
                ]
            case 7:
                del arrays[name]
                break
            case _:
                arrays[name] = np.asfortranarray(array)
    files["head.npz"] = _archive(arrays)


def _graph(rng: random.Random, files: dict[str, bytes]) -> None:
    """Change what the model's graph does, so that it is still one."""
    model = onnx.load_from_string(MODEL)
    graph = model.graph
    for _ in range(rng.choice((1, 1, 2, 4))):
        node = rng.choice(graph.node)
        match rng.randrange(9):
            case 0:
                node.op_type = rng.choice(OPERATORS)
            case 1:
                names = ["eeg", "x", "sources", "kernel", "scale", ""]
                node.input.insert(rng.randrange(len(node.input) + 1), rng.choice(names))
            case 2 if node.input:
                node.input.pop()
            case 3:
                names = ["axis", "to", "value", "perm", "keepdims", "equation", "body", "shape"]
                value = rng.choice((0, -1, 2**40, "ij,jk->ik", [0, 1], [2**40], 1.0))
                node.attribute.append(helper.make_attribute(rng.choice(names), value))
            case 4:
                tensor = rng.choice(graph.initializer)
                tensor.data_type = rng.randrange(24)
            case 5:
                tensor = rng.choice(graph.initializer)
                tensor.dims.append(rng.choice((0, 1, -1, 2, 2**33)))
            case 6:
                ports = rng.choice((graph.input, graph.output))
                size = rng.choice(ports[0].type.tensor_type.shape.dim)
                size.dim_value = rng.choice((0, 1, -1, 31, 120, 2**40))
            case 7:
                added = rng.choice(OPERATORS)
                before = helper.make_node(added, ["eeg"], ["more"])
                graph.node.insert(0, before)
                graph.node[1].input[:] = ["more" if i == "eeg" else i for i in graph.node[1].input]
            case 8:
                model.ir_version = rng.choice((0, 1, 3, 8, 11, 99, 2**40))
                model.opset_import[0].version = rng.choice((0, 1, 7, 13, 21, 99, -1))
    files["model.onnx"] = bytes(model.SerializeToString())


def _card_or_place(rng: random.Random, files: dict[str, bytes]) -> None:
    """Leave the files as they are: the card, or where they lie, is what is wrong."""


def _other_card(rng: random.Random, card: dict[str, Any]) -> str:
    text = json.dumps(card)
    match rng.randrange(4):
        case 0:
            return _flipped(rng, text.encode()).decode("utf-8", "replace")
        case 1:
            depth = rng.choice((10, 50, 2000, 100_000))
            return text[:-1] + ', "more": ' + rng.choice(("[", '{"a":')) * depth
        case 2:
            table: Any = card
            while isinstance(table, dict) and table:
                name = rng.choice(list(table))
                if not isinstance(table[name], dict) or rng.random() < 0.4:
                    table[name] = rng.choice(HOSTILE)
                    break
                table = table[name]
            with contextlib.suppress(ValueError):
                return json.dumps(card, ensure_ascii=False)
            return text
        case _:
            return text


def _other_place(rng: random.Random) -> None:
    path = FOLDER / rng.choice(("model.onnx", "head.npz", "card.json"))
    match rng.randrange(7):
        case 0:
            path.unlink(missing_ok=True)
            os.mkfifo(path)
        case 1:
            path.unlink(missing_ok=True)
            path.mkdir()
        case 2:
            path.unlink(missing_ok=True)
            path.symlink_to(rng.choice(("/dev/zero", "/dev/null", path, "/proc/self/mem", "..")))
        case 3:
            path.unlink(missing_ok=True)
        case 4:
            with path.open("ab") as file:
                file.truncate(rng.choice((0, 1, 1 << 20, 1 << 31, 1 << 40)))
        case _:
            pass


DAMAGES: tuple[Callable[[random.Random, dict[str, bytes]], None], ...] = (
    _bits_of_the_head,
    _bits_of_the_model,
    _directory,
    _entries,
    _arrays,
    _graph,
    _card_or_place,
)


def _settings(rng: random.Random) -> None:
    """Damage text that a person writes, and take it as the commands do."""
    path = FOLDER / "lab.toml"
    own = rng.choice((SETTINGS, PROTOCOL, REST))
    text = _other_text(rng, own).encode("utf-8", "surrogatepass")
    path.write_bytes(_flipped(rng, text) if rng.random() < 0.5 else text)
    if rng.random() < 0.02:
        path.unlink()
        os.mkfifo(path)
    if own is REST:
        Rest(["log"]).load(path, "alpha")
    elif own is PROTOCOL:
        read_protocol(path, rng.choice((None, "07")))
    else:
        tables, _ = _read_settings(path)
        names = {key.replace("-", "_"): value for key, value in tables.get("run", {}).items()}
        Settings(**{**names, "features": path})
        read_features(path)


def _other_text(rng: random.Random, text: str) -> str:
    lines = text.strip().splitlines()
    for _ in range(rng.choice((0, 1, 1, 3))):
        at = rng.randrange(len(lines))
        name = lines[at].partition("=")[0]
        match rng.randrange(6):
            case 0:
                values = (
                    "true", "5", "''", '"\\u001b"', "nan", "-inf", "[]", "{}", "[[8]]", "9" * 5000,
                    "1e400", "1979-05-27", "[" * 3000, "{a = " * 200, f'"{"x" * 20_000}"', "[8]",
                )  # fmt: skip
                lines[at] = f"{name}= {rng.choice(values)}"
            case 1:
                lines.insert(at, rng.choice(lines))
            case 2:
                lines[at] = ""
            case 3:
                lines.insert(
                    at, rng.choice(("[rnu]", "[[run]]", "[run.input]", "[feature]", "x = 1"))
                )
            case 4:
                lines.insert(at, "a" + ".a" * rng.choice((5, 30, 100, 4000, 100_000)) + " = 1")
            case 5:
                lines.insert(at, f"{rng.choice(('participant', 'arms', 'wait_s', 'rest'))} = 'x'")
    return "\n".join(lines) or "x"
