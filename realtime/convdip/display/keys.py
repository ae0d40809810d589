"""The key map: the window's shortcuts and the help are both made from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence, QShortcut

if TYPE_CHECKING:
    from convdip.display.window import Window

STEP_S, LARGE_STEP_S = 0.02, 1.0


@dataclass(frozen=True)
class Key:
    """A line of the help, and the shortcuts behind it.

    Attributes
    ----------
    shown : str
        The keys as the help names them.
    does : str
        What they do, in words.
    actions : dict of callable
        By key sequence, as Qt spells it; empty for the mouse.
    repeats : bool
        A key that is held down acts again and again.
    """

    shown: str
    does: str
    actions: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    repeats: bool = False


def key_map(window: Window) -> tuple[Key, ...]:
    """Return the window's keys, in the order of the help."""
    player, captures = window.player, window.captures
    choose, cycle, shift = window.choose, window.cycle, window.shift
    return (
        Key("Space", "pause; go live", {"Space": player.toggle_pause}),
        Key("P", "while paused: play, or hold", {"P": player.toggle_play}),
        Key(
            "← →",
            "while paused: back or forward by 20 ms (with Shift: by 1 s)",
            {
                "Left": lambda: player.step(-STEP_S),
                "Right": lambda: player.step(STEP_S),
                "Shift+Left": lambda: player.step(-LARGE_STEP_S),
                "Shift+Right": lambda: player.step(LARGE_STEP_S),
            },
            repeats=True,
        ),
        Key(
            ", .",
            "play slower, faster",
            {",": lambda: shift("speed", -1), ".": lambda: shift("speed", 1)},
        ),
        Key("V", "show each moment, or the power of the next band", {"V": window.next_view}),
        Key(
            "1 2",
            "four standard views; free view (drag: rotate, wheel: zoom, double-click: reset)",
            {"1": lambda: choose("is_free", 0), "2": lambda: choose("is_free", 1)},
        ),
        Key(
            "I G W",
            "inflated, pial (grey matter), white matter surface",
            {
                "I": lambda: choose("surface", 0),
                "G": lambda: choose("surface", 1),
                "W": lambda: choose("surface", 2),
            },
        ),
        Key(
            "S",
            "scale: rolling, fixed, against a baseline (z, or dB of a band)",
            {"S": lambda: cycle("scale")},
        ),
        Key("L", "lock the scale", {"L": lambda: cycle("is_locked")}),
        Key("B", "record a new baseline of 10 s", {"B": window.take_baseline}),
        Key(
            "+ −",
            "raise, lower the end of the scale (and lock it)",
            {
                "+": lambda: window.step_limit(1),
                "=": lambda: window.step_limit(1),
                "-": lambda: window.step_limit(-1),
            },
        ),
        Key(
            "[ ]",
            "lower, raise the threshold",
            {"[": lambda: shift("threshold", -1), "]": lambda: shift("threshold", 1)},
        ),
        Key(
            "N",
            "signs: red out of the cortex, blue into it; or magnitudes",
            {"N": lambda: cycle("is_signed")},
        ),
        Key("C", "colour map of magnitudes: inferno, viridis", {"C": lambda: cycle("colour_map")}),
        Key("H", "hold peaks, which fade over 1 s", {"H": lambda: cycle("is_held")}),
        Key("M", "smoothing: off to 500 ms", {"M": lambda: cycle("smooth_s")}),
        Key("K", "pin the region that is strongest now", {"K": window.pin_strongest}),
        Key("click", "pin a region and plot its time course; off the cortex: unpin"),
        Key("E", "all bad electrodes, and why", {"E": window.overview.toggle}),
        Key("Ctrl+O", "back to the start page, to open something else", {"Ctrl+O": window.leave}),
        Key("T", "dark, light theme", {"T": lambda: cycle("theme")}),
        Key(
            "Ctrl+S",
            "save a PNG of the window in the current folder",
            {"Ctrl+S": captures.take_snapshot},
        ),
        Key("R", "start, stop recording a GIF (20 s at most)", {"R": captures.toggle}),
        Key(
            "Ctrl + −",
            "larger, smaller text (Ctrl+0: reset)",
            {
                "Ctrl++": lambda: shift("text_size", 1),
                "Ctrl+=": lambda: shift("text_size", 1),
                "Ctrl+-": lambda: shift("text_size", -1),
                "Ctrl+0": lambda: choose("text_size", 2),
            },
        ),
        Key(
            "F",
            "full screen",
            {"F": window.toggle_full_screen, "F11": window.toggle_full_screen},
        ),
        Key(
            "Esc", "close this help or a list; leave full screen; unpin", {"Escape": window.escape}
        ),
        Key("?", "this help", {"?": window.help.toggle, "F1": window.help.toggle}),
        Key("Ctrl+Q", "quit", {"Ctrl+Q": window.close}),
    )


def bind(keys: tuple[Key, ...], window: Window) -> None:
    """Make the window's shortcuts."""
    for key in keys:
        for sequence, act in key.actions.items():
            shortcut = QShortcut(QKeySequence(sequence), window)
            shortcut.setAutoRepeat(key.repeats)  # else a key that is held down would flicker
            shortcut.activated.connect(act)
