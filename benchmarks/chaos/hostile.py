"""Streams that lie about themselves: python hostile.py NAME SEED, until its input is closed."""

import random
import sys

import pylsl

NASTY = "\x1b[2J\x07\u202e\nWARNING forged\r\x00"


def nested(info, rng, name):
    """Return a description that goes very deep."""
    node = info.desc()
    for _ in range(rng.randint(200, 3000)):
        node = node.append_child("channel")
    return info


def nasty(info, rng, name):
    """Return one with characters that no text should have."""
    channels = info.desc().append_child("channels")
    for key in ("label", "unit", "type", "scaling_factor"):
        channels.append_child("channel").append_child_value(key, NASTY.replace("\x00", ""))
    return info


def main():
    """Announce a few of them."""
    name, rng = sys.argv[1], random.Random(int(sys.argv[2]))
    new = pylsl.StreamInfo
    kinds = (
        lambda: new(name, "Markers", 1, 0.0, "string", f"id-{name}"),
        lambda: new(name, "EEG", 31, 0.0, "float32", f"id-{name}"),
        lambda: new(name, "EEG", 31, 1e6, "float32", f"id-{name}"),
        lambda: new(name, "EEG", 31, 125.0, "int64", f"id-{name}"),
        lambda: new(name, "EEG", 1000, 125.0, "float32", f"id-{name}"),
        lambda: nasty(new(name, "EEG", 4, 125.0, "float32", f"id-{name}"), rng, name),
        lambda: nasty(
            new(f"{name}\x1b[2J\u202e", "EEG", 4, 125.0, "float32", NASTY[:-1]), rng, name
        ),
        lambda: nested(new(name, "EEG", 31, 125.0, "float32", f"id-{name}"), rng, name),
        lambda: nested(new("Other", "EEG", 8, 125.0, "float32", "other"), rng, name),
    )
    outlets = [pylsl.StreamOutlet(kind()) for kind in rng.sample(kinds, 3)]
    sys.stdin.read()
    del outlets


if __name__ == "__main__":
    main()
