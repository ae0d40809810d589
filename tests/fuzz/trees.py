"""Descriptions that no honest program writes: trees, and the three ways in which they come."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import pylsl

KEYS = (
    "channels", "channel", "label", "name", "unit", "type", "location", "X", "Y", "Z", "reference",
    "scaling_factor", "scale", "resolution", "provenance", "source_space", "timing", "protocol",
    "block", "feature", "delay_s", "medial_wall", "threads", "electrodes", "desc", "info",
)  # fmt: skip
NUMBERS = (
    "1e999", "-1e999", "nan", "inf", "-0", "1e308", "1e-320", "0x10", "1_000", "٣", "", " ", "1,5",
    "9" * 5000, "1e5000", "0.085", "85", "1e", "--1", "²",
)  # fmt: skip
UNITS = (
    "microvolts", "uV", "µV", "μV", "mV", "volts", "-6", "-999999999", "nV", "", "furlongs",
    "0.1uV", "1e999 uV", "nan uV", "-1uV", "0 uV",
)  # fmt: skip
TYPES = ("EEG", "eeg", "", "EOG", "unknown", "Impedance")
# Characters of each kind that may do harm, and of some that do none.
KINDS = (
    "\x00\x07\b\t\n\v\f\r\x1b\x7f", "\x80\x85\x9b\x9d", "\u200b\u200e\u202e\u2066\ufeff\u2028",
    "\ud800\udfff", "\ufffe\uffff\U0010ffff\ue000", "\u0301\u0489\u034f", "<>&\"'`;,:-/\\%{}",
    "Fp1 C3µé日",
)  # fmt: skip


@dataclass
class Node:
    """An element: its children come after its text."""

    tag: str
    text: str = ""
    children: list[Node] = field(default_factory=list)


def wicked_text(rng: random.Random) -> str:
    """Return text of any length and kind, mostly short."""
    draw = rng.random()
    if draw < 0.3:
        return rng.choice(NUMBERS)
    n = 100_000 if draw > 0.9995 else 300 if draw > 0.98 else rng.randrange(8)
    return "".join(rng.choices(rng.choice(KINDS) + rng.choice(KINDS), k=n))


def description(rng: random.Random, electrodes: Sequence[str], n: int) -> Node:
    """Return a description of so many channels: right in part, or not at all."""
    is_right = rng.choice((1.0, 1.0, 0.999, 0.98, 0.9, 0.5, 0.0))  # how likely each part is
    names = rng.sample(list(electrodes), min(n, len(electrodes)))
    unit, kind = rng.choice(UNITS[:5]), rng.choice(TYPES[:3])
    factor = rng.choice(("scaling_factor", "resolution", "gain"))
    nodes = []
    for number in range(rng.choice((n, n, n, n, n + 1, max(n - 1, 0), 2 * n))):
        name = names[number % len(names)] if names else ""
        parts = {
            "label": name,
            "unit": unit,
            "type": kind,
            factor: "0.5",
        }
        node = Node("channel")
        for tag, right in parts.items():
            if rng.random() > is_right and rng.random() < 0.3:
                tag = rng.choice(KEYS)
            text = right if rng.random() < is_right else _wrong(rng, tag)
            node.children.append(Node(tag, text))
        if rng.random() < 0.5:
            place = [Node(axis, _place(rng, is_right)) for axis in "XYZ"]
            node.children.append(Node("location", "", place))
        nodes.append(node)
    desc = Node("desc", "", nodes if rng.random() < 0.2 else [Node("channels", "", nodes)])
    for _ in range(rng.choice((0, 0, 0, 1, 3))):
        _spoil(rng, desc)
    return desc


def _wrong(rng: random.Random, tag: str) -> str:
    if tag in ("unit", "type") and rng.random() < 0.7:
        return rng.choice(UNITS if tag == "unit" else TYPES)
    return wicked_text(rng)


def _place(rng: random.Random, is_right: float) -> str:
    return f"{rng.gauss(0, 60):.3f}" if rng.random() < is_right else wicked_text(rng)


def _spoil(rng: random.Random, desc: Node) -> None:
    """Put something where it does not belong."""
    nodes = [desc]
    for node in nodes:  # grows meanwhile
        nodes += node.children[:20]
    at, other = rng.choice(nodes), rng.choice(nodes)
    what = rng.random()
    if what < 0.3:
        at.children.insert(0, Node(rng.choice(KEYS), wicked_text(rng)))
    elif what < 0.5:
        at.text = wicked_text(rng)
    elif what < 0.6:
        at.tag = rng.choice((*KEYS, "x:y", "-", "é"))
    elif what < 0.8:
        other.children = other.children + [Node(one.tag, one.text) for one in at.children[:5]]
    elif what < 0.9:
        rng.shuffle(at.children)
    else:
        bulk = rng.choice((1000, 20_000, 120_000) if rng.random() < 0.01 else (10, 100))
        at.children += [Node(rng.choice(KEYS), "1") for _ in range(bulk)]


def deepest(rng: random.Random) -> int:
    """Return how many levels to put below a description: mostly none."""
    return rng.choice((50, 5_000, 20_000)) if rng.random() < 0.005 else 0


def as_outlet(rng: random.Random, desc: Node, n: int) -> pylsl.StreamInfo:
    """Return it as a program says it to liblsl."""
    name, kind, source_id = (f"A{_sent(wicked_text(rng))}" for _ in range(3))
    rate_hz = rng.choice((250.0, 0.0, float("nan"), 1e300))
    info = pylsl.StreamInfo(name, kind, n, rate_hz, rng.choice(("float32", "int16")), source_id)

    def write(node: Node, at: pylsl.info.XMLElement) -> None:
        for child in node.children:
            if child.children:
                write(child, at.append_child(_sent(child.tag)))
            else:
                at.append_child_value(_sent(child.tag), _sent(child.text))

    top = info.desc()
    write(desc, top)
    for _ in range(deepest(rng)):
        top = top.append_child("deep")
    return info


def _sent(text: str) -> str:
    """Return what of a text pylsl sends at all."""
    return text.encode("utf-8", "replace").decode()


def as_xml(rng: random.Random, desc: Node) -> bytes:
    """Return it as it comes over the network, or lies in a file, from whatever wrote it."""
    said: list[str] = []
    dirt = rng.choice((0.0, 0.0, 0.001, 0.03))

    def write(node: Node) -> None:
        said.append(f"<{node.tag}>")
        draw = rng.random() / dirt if dirt else 1.0
        if draw < 0.2:
            said.append(f"<![CDATA[{node.text}]]>")
        elif draw < 0.4:
            said.append(f"&#{rng.randrange(0x110000)};&#x{rng.randrange(0x20):x};&{node.tag};")
        elif draw < 0.6:
            said.append(f"<!-- {node.text} --><?{node.tag} ?>{escape(node.text)}")
        elif draw < 0.8:
            said.append(node.text)
        else:
            said.append(escape(node.text))
        for child in node.children:
            write(child)
        said.append(f"</{node.tag}>")

    for child in desc.children:
        write(child)
    n = deepest(rng)
    text = "<desc>" + "".join(said) + "<deep>" * n + "</deep>" * n + "</desc>"
    raw = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.choice((0,) * 12 + (1, 5))):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    if rng.random() < 0.02:
        del raw[rng.randrange(len(raw)) :]
    return bytes(raw)


BOMB = (
    "<!DOCTYPE info [<!ENTITY a 'lol'>"
    + "".join(f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(9))
    + "]>"
)


def as_header(rng: random.Random, desc: bytes, n: int) -> bytes:
    """Return what describes a stream, with a description in it."""
    core = {
        "name": wicked_text(rng) if rng.random() < 0.2 else "Amp",
        "type": "EEG" if rng.random() < 0.9 else wicked_text(rng),
        "channel_count": str(n) if rng.random() < 0.98 else rng.choice(NUMBERS),
        "channel_format": "float32" if rng.random() < 0.98 else wicked_text(rng),
        "source_id": "amp",
        "nominal_srate": "100" if rng.random() < 0.9 else rng.choice(NUMBERS),
        "version": "1.1",
        "created_at": "1.5",
        "uid": "u",
        **{f"v{v}{which}_port": "16572" for v in (4, 6) for which in ("data", "service")},
        "hostname": wicked_text(rng) if rng.random() < 0.2 else "lab",
    }
    if rng.random() < 0.02:
        del core[rng.choice(list(core))]
    said = "".join(f"<{key}>{escape(text)}</{key}>" for key, text in core.items())
    doctype = BOMB if rng.random() < 0.01 else ""
    if doctype:
        said += "<session_id>&j;</session_id>"
    before = f"<?xml version='1.0'?>{doctype}<info>{said}".encode("utf-8", "surrogatepass")
    return before + desc + b"</info>"


def write_xdf(path: Path, header: bytes, n: int) -> None:
    """Write a recording of one stream with this header: half a second of it, all zero."""
    rows = b"".join(
        b"\x08" + struct.pack("<d", 1 + number / 100) + bytes(4 * n) for number in range(50)
    )
    chunks = (
        (1, b"<?xml version='1.0'?><info><version>1.0</version></info>"),
        (2, struct.pack("<I", 1) + header),
        (3, struct.pack("<I", 1) + b"\x04" + struct.pack("<I", 50) + rows),
    )
    content = b"XDF:"
    for tag, body in chunks:
        content += b"\x04" + struct.pack("<IH", len(body) + 2, tag) + body
    path.write_bytes(content)
