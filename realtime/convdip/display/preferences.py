"""The user's settings, kept between sessions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from PySide6.QtCore import QSettings

from convdip.display.colours import ACTIVITY_MAPS
from convdip.display.cortex import THRESHOLD
from convdip.display.limits import ENDS_NAM, SCALES, ScaleMode
from convdip.display.playback import SPEEDS
from convdip.display.theme import THEMES
from convdip.display.view import SURFACES, SurfaceName

SMOOTHINGS_S = (0.0, 0.05, 0.1, 0.25, 0.5)
THRESHOLDS = (0.1, 0.15, 0.2, THRESHOLD, 0.3, 0.4, 0.5, 0.7)
TEXT_SIZES = (0.8, 0.9, 1.0, 1.15, 1.3, 1.5, 1.75, 2.0)

CHOICES: dict[str, tuple[Any, ...]] = {
    "theme": tuple(THEMES),
    "surface": SURFACES,
    "is_free": (False, True),
    "is_signed": (False, True),
    "colour_map": ACTIVITY_MAPS,
    "threshold": THRESHOLDS,
    "smooth_s": SMOOTHINGS_S,
    "is_held": (False, True),
    "text_size": TEXT_SIZES,
    "scale": SCALES,
    "limit_nam": ENDS_NAM,
    "rhythm_limit_nam": ENDS_NAM,
    "is_locked": (False, True),
    "speed": SPEEDS,
}


@dataclass
class Settings:
    """The window's settings; the value of each is one of `CHOICES`."""

    theme: str = "dark"
    surface: SurfaceName = "inflated"
    is_free: bool = False
    is_signed: bool = False
    colour_map: str = ACTIVITY_MAPS[0]
    threshold: float = THRESHOLD
    smooth_s: float = 0.0
    is_held: bool = False
    text_size: float = 1.0
    scale: ScaleMode = "rolling"
    limit_nam: float = 5.0
    rhythm_limit_nam: float = 5.0
    is_locked: bool = False
    speed: float = 0.25

    @classmethod
    def load(cls, store: QSettings) -> Settings:
        """Read saved settings; a value that is not among the choices is ignored."""
        settings = cls()
        for field in fields(cls):
            # The store may return any value as text.
            by_text = {str(choice): choice for choice in CHOICES[field.name]}
            saved = store.value(field.name)
            if str(saved) in by_text:
                setattr(settings, field.name, by_text[str(saved)])
        return settings

    def save(self, store: QSettings) -> None:
        """Save all settings."""
        for field in fields(self):
            store.setValue(field.name, str(getattr(self, field.name)))

    def number(self, name: str) -> int:
        """Return the index of a setting's value among its choices."""
        return CHOICES[name].index(getattr(self, name))

    def choose(self, name: str, number: int) -> None:
        """Set a setting to the choice of this index, clipped to the first and the last."""
        choices = CHOICES[name]
        setattr(self, name, choices[min(max(number, 0), len(choices) - 1)])

    def cycle(self, name: str) -> None:
        """Set a setting to its next choice; the first follows the last."""
        self.choose(name, (self.number(name) + 1) % len(CHOICES[name]))
