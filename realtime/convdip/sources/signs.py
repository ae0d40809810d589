"""The signs of simulated sources."""

from __future__ import annotations

from typing import Literal

from convdip.bundle import Polarity

Signs = Literal["random", "positive"]


def signs_for(polarity: Polarity) -> Signs:
    """Return the signs of the sources that a model of this polarity can find."""
    return "random" if polarity == "both" else "positive"
