"""Colour maps: a stronger moment stands out more even without hue, and either sign has its hue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.float32]

# Equally spaced colours of the maps by van der Walt and Smith (viridis, inferno; CC0), and of
# ColorBrewer's RdBu (Brewer, Harrower, Pennsylvania State University), blue to red. Ice-fire is
# its counterpart with a dark middle: on a dark window, what is strong has to be light.
_ANCHORS = {
    "inferno": "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
    "viridis": "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
    "blue-red": "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f",
    "ice-fire": "d5f2ff 8fcbff 4c9ff2 2b72cf 1c4a94 15181d 8a1f2b c5392f ec6a36 ff9f55 ffdcab",
}
# On the grey cortex, the darkest part of a map would look like a shadow.
_DARKEST = 0.1
ACTIVITY_MAPS = ("inferno", "viridis")
N_LEVELS = 256
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def colour_table(name: str, darkest: float = 0.0) -> Rgb:
    """Return 256 colours of a map, in 0–1, starting at ``darkest`` of its length.

    Returns
    -------
    table : ndarray, shape (256, 3)
    """
    anchors = np.array([list(bytes.fromhex(code)) for code in _ANCHORS[name].split()]) / 255
    at = np.linspace(darkest * (len(anchors) - 1), len(anchors) - 1, N_LEVELS)
    table = [np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.array(table, np.float32).T


def activity_table(name: str) -> Rgb:
    """Return the colours of activity from 0 to the end of the scale.

    Returns
    -------
    table : ndarray, shape (256, 3)
    """
    return colour_table(name, _DARKEST)


def grey(table: Rgb) -> Rgb:
    """Return the greys of the same luminance."""
    greys: Rgb = np.repeat((table @ LUMINANCE)[:, None], 3, axis=1)
    return greys
