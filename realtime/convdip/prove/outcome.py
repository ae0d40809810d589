"""The outcome of a proof, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convdip.prove.score import Float, Middle, Quartiles, Share
from convdip.prove.session import BANDS

N_CONFUSIONS = 10
PULSES = "pulses"
# Pulses by their peak SNR: the largest electrode's signal over the noisiest one's SD.
SNRS = {"faint": (0.0, 3.0), "usual": (3.0, 7.0), "clear": (7.0, np.inf)}
SNR_WORDS = {"faint": "below 3", "usual": "from 3 to 7", "clear": "from 7 on"}


@dataclass(frozen=True)
class Found:
    """How well sources of one kind are found.

    Attributes
    ----------
    suspended : int
        Sources whose feature had no value; the others are counted.
    strongest, among_three : Share
        Whether the source's region is the strongest, or one of three.
    centre_mm : Middle
        From the source to the middle of the strongest region.
    far_share : float
        Of all power while it is on, what is imaged in regions more than `FAR_MM` from it: median.
    """

    suspended: int
    strongest: Share
    among_three: Share
    centre_mm: Middle
    far_share: float


@dataclass(frozen=True)
class Delay:
    """How late a feature follows a step of a rhythm in its region, in seconds.

    Attributes
    ----------
    stated : float
        Half-way, as the stream's description has it.
    half, ninety : Quartiles
        To 50 and 90 % of its way.
    n : int
        Rhythms whose feature rose.
    """

    stated: float
    half: Quartiles
    ninety: Quartiles
    n: int


@dataclass(frozen=True)
class Trust:
    """Pulses of like confidence: what is said, the mean, and how many are right.

    Attributes
    ----------
    said : float
        The confidence in NAME-Quality.
    right : Share
        Whose strongest dipole lies as near to the source as confidence is about.
    """

    said: float
    right: Share


@dataclass(frozen=True)
class Samples:
    """What was sent, what came of each stream, and whether the service said it fell behind."""

    sent: int
    received: dict[str, int]
    lost: dict[str, int]
    is_overloaded: bool


@dataclass(frozen=True)
class Judgement:
    """The outcome.

    Attributes
    ----------
    sfreq_hz : float
    samples : Samples
    found : dict of Found
        By kind: pulses, the bands, and pulses by sign and by SNR.
    dipole_mm : Middle
        From a pulse to the strongest dipole of each sample.
    sign_right : Share
        Of pulses: whether most samples' strongest dipole has the source's sign.
    trusts : tuple of Trust
        Thirds of the pulses, by confidence; none where the model has no calibration.
    delays : dict of Delay
        By band.
    across : dict of dict of float
        Of a source's power in its region, the share in each band: mean over the sources of a band.
    far_by_chance : float
        Of the cortex, the share that lies so far from a source: median.
    ages_ms : dict of dict of float
        Percentiles, at a client and as the service itself has them.
    regions : tuple of str
    confusion : ndarray of int, shape (n_regions, n_regions)
        Of all sources; rows are true.
    courses : dict of ndarray
        By band: each rhythm's feature from its step on, from 0 to 1 where it is settled.
    """

    sfreq_hz: float
    samples: Samples
    found: dict[str, Found]
    dipole_mm: Middle
    sign_right: Share
    trusts: tuple[Trust, ...]
    delays: dict[str, Delay]
    across: dict[str, dict[str, float]]
    far_by_chance: float
    ages_ms: dict[str, dict[str, float]]
    regions: tuple[str, ...]
    confusion: NDArray[np.int64]
    courses: dict[str, Float]

    @property
    def complaint(self) -> str:
        """What failed, in words; empty if nothing did."""
        lost = {name: n for name, n in self.samples.lost.items() if n}
        words = [f"{n} samples of {name} lost" for name, n in lost.items()]
        if lost and self.samples.is_overloaded:
            words.append("the service was overloaded: try a lower `sfreq_hz`")
        words += [
            f"{kind}: regions no better than chance"
            for kind in (PULSES, *BANDS)
            if not self.found[kind].strongest.is_better_than_chance
        ]
        return ", ".join(words)

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return the most frequent ones: true, found, how often."""
        wrong = self.confusion * ~np.eye(len(self.regions), dtype=bool)
        order = np.argsort(-wrong, axis=None, kind="stable")[:N_CONFUSIONS]
        pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
        names = self.regions
        return [(names[i], names[j], int(wrong[i, j])) for i, j in pairs if wrong[i, j]]
