"""What server and page say to each other: JSON as text, maps as bytes.

docs/streams.md specifies them for others.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.display.colours import activity_table, colour_table
from convdip.display.cortex import ACTIVITY_SHADE, FADE, LIGHT, SHADE, THRESHOLD
from convdip.display.places import coordinate_system
from convdip.display.shown_service import Service
from convdip.display.theme import THEMES
from convdip.display.view import GAP_M, HOME, MARGIN, SurfaceName, surface

# A page's messages are tiny; a longer one is none of ours.
MOST_BYTES = 256
# Places travel in hundredths of a millimetre, as 16 bits hold them.
PLACE_M = 1e-5
SURFACES: tuple[SurfaceName, ...] = ("inflated", "pial")
# Before the strengths: number of the map and stamp of its newest sample.
MAP_HEADER = struct.Struct("<Id")
FULL = 127


def head_message(service: Service) -> str:
    """Return all that a page needs once for a service: cortex, regions, colours."""
    head = service.head
    space, to_space = coordinate_system(service.bundle)
    coordinates_mm = head.dipoles_m * 1e3 @ to_space[:3, :3].T + to_space[:3, 3]
    meshes = {name: surface(head, name) for name in SURFACES}
    is_right = head.triangles[:, 0] >= head.n_left
    return to_json(
        kind="head",
        model=service.bundle.name,
        space=space,
        n_dipoles=head.n_dipoles,
        n_left=head.n_left,
        n_left_triangles=int((~is_right).sum()),
        regions=list(head.atlas_names),
        region_of=_base64(head.atlas, np.uint16),
        is_cortex=_base64(head.is_cortex, np.uint8),
        coordinates_mm=_base64(coordinates_mm.round(), np.int16),
        sulcal_depth=_base64(np.clip(head.sulcal_depth / 0.2, -1, 1) * FULL, np.int8),
        triangles=_base64(head.triangles[np.argsort(is_right, kind="stable")], np.uint16),
        surfaces={
            name: {
                "places": _base64((mesh.places_m / PLACE_M).round(), np.int16),
                "normals": _base64((mesh.normals * FULL).round(), np.int8),
            }
            for name, mesh in meshes.items()
        },
        look=_look(),
    )


def _look() -> dict[str, Any]:
    """Return how the window draws a cortex, so that a page draws it alike."""
    return {
        "threshold": THRESHOLD,
        "fade": FADE,
        "light": LIGHT.tolist(),
        "shade": SHADE,
        "activity_shade": ACTIVITY_SHADE,
        "gap": GAP_M / PLACE_M,
        "margin": MARGIN,
        "home": HOME,
        "activity": _base64(activity_table("inferno") * 255, np.uint8),
        "themes": {
            name: {
                "background": theme.look.background,
                "gyrus": theme.look.gyrus,
                "sulcus": theme.look.sulcus,
                "signed": _base64(colour_table(theme.signed_map) * 255, np.uint8),
            }
            for name, theme in THEMES.items()
        },
    }


def map_message(number: int, stamp: float, strength: NDArray[np.float32]) -> bytes:
    """Return a map as bytes: `MAP_HEADER`, then int8 for each dipole, ±127 at the scale's end."""
    levels = np.clip(np.nan_to_num(strength), -1, 1) * FULL
    return MAP_HEADER.pack(number, stamp) + levels.round().astype(np.int8).tobytes()


def theme_style() -> bytes:
    """Return the window's colours as a style sheet, dark unless the browser prefers light."""

    def colours(name: str) -> str:
        theme = THEMES[name]
        names = ("background", "panel", "text", "dim", "trace", "good", "warn", "bad")
        return ":root{" + "".join(f"--{one}:{getattr(theme, one)};" for one in names) + "}"

    light = f"@media (prefers-color-scheme: light){{{colours('light')}}}"
    return (colours("dark") + light).encode()


def to_json(**said: Any) -> str:
    """Return a message; its numbers are finite, or null."""
    return json.dumps(said, allow_nan=False, separators=(",", ":"))


def finite(value: float, digits: int = 4) -> float | None:
    """Return a number as JSON has it."""
    return round(float(value), digits) if np.isfinite(value) else None


def understand(said: str | bytes) -> Mapping[str, int | None]:
    """Read a page's message.

    Returns
    -------
    wish : mapping
        ``drawn``: number of what was drawn; ``show``: number of a view; ``pin`` or ``look``: the
        region whose course, or the dipole whose moment is asked for, None for none.

    Raises
    ------
    ValueError
        If it is none.
    """
    wish = json.loads(said) if isinstance(said, str) else None
    if not isinstance(wish, dict) or len(wish) != 1:
        raise ValueError("expected an object with one key")
    [(key, value)] = wish.items()
    is_none = value is None and key in ("pin", "look")
    is_number = type(value) is int and 0 <= value < 2**53
    if key not in ("drawn", "pin", "look", "show") or not (is_none or is_number):
        raise ValueError('expected "drawn", "pin", "look" or "show" with a number')
    return wish


def _base64(values: NDArray[Any], dtype: type[np.generic]) -> str:
    """Return numbers as little-endian bytes in base64."""
    as_sent = np.ascontiguousarray(values).astype(np.dtype(dtype).newbyteorder("<"))
    return base64.b64encode(as_sent.tobytes()).decode()
