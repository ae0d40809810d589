"""The state in a word and the service's health in numbers, as every live view words them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from convdip.display.freshness import Freshness
from convdip.display.shown_service import Service
from convdip.frame import Artefact

SYMBOLS = {
    "LIVE": "●",
    "PAUSED": "❚❚",
    "STALE": "▲",
    "LOST": "✕",
    "CLOCK": "?",
    "OVERLOAD": "▲",
    "WAITING": "…",
    "INVALID": "✕",
}
TILES = {
    "age": "age on screen",
    "delay": "delay",
    "service": "age at output",
    "in": "rate in",
    "out": "rate out",
    "lost": "samples lost",
    "waiting": "backlog",
    "fit": "goodness of fit",
    "runs": "provider",
    "model": "model",
}
ADVICE = {
    "age": "How old the newest sample was, by its time stamp, when it was shown: amplifier, "
    "network, service and window together. While paused: how far you look back.",
    "delay": "How long before its time stamp that happened which you see, since filters and "
    "windows need the past. It comes on top of the age.",
    "service": "How old samples are, by their time stamps, when the service publishes them "
    "(median).",
    "in": "Samples of EEG that the service gets in a second.",
    "out": "Source maps that the service publishes in a second.",
    "lost": "Samples that are missing in the EEG, or were dropped on the way; in brackets, those "
    "that did not reach this window.",
    "waiting": "Samples that wait for the service.",
    "fit": "Share of the EEG's variance that the sources explain. High for bad electrodes, too.",
    "runs": "What computes the network.",
}
N_REGIONS = 5
# Regions are ranked by their mean over this time: by a sample, the list flickers.
RANKED_S = 1.0


def state_of(freshness: Freshness, quality: dict[str, float]) -> tuple[str, str]:
    """Return the state in one word, and an addition to it.

    Parameters
    ----------
    freshness : Freshness
    quality : dict
        The latest quality sample; empty if there is no recent one.
    """
    is_over = bool(quality.get("overload", 0.0)) and not freshness.is_stale
    code = int(quality.get("artefact", 0.0))
    is_known = 0 < code < len(Artefact) and not freshness.is_stale
    extra = f", {list(Artefact)[code]}" if is_known else ""
    return "OVERLOAD" if is_over else freshness.word, extra


def health_numbers(
    age_s: float,
    quality: dict[str, float],
    service: Service,
    n_missing: int,
    window_s: float = 0.0,
    band_delay_s: float = math.nan,
) -> dict[str, str]:
    """Return the service's health as texts, one for each of `TILES`.

    Parameters
    ----------
    age_s : float
        Age of the sample on the screen.
    quality : dict
        The latest quality sample; empty if there is no recent one.
    service : Service
    n_missing : int
        Samples that did not reach this view.
    window_s : float
        Length of the window that each map on the screen is of; 0 for single samples.
    band_delay_s : float
        What the filters of a band add, where one is on the screen; else NaN.
    """
    filter_ms = _filter_ms(quality, service, band_delay_s)
    shown = dict.fromkeys(TILES, "–") | {"age": _milliseconds(age_s * 1e3)}
    shown["delay"] = f"{filter_ms + window_s * 1e3 / 2:.0f} ms"
    if quality:
        lost = sum(quality[key] for key in ("dropped", "overflowed", "missing"))
        waiting = quality["backlog"]
        if math.isfinite(quality["feedback_delay"]):
            shown["delay"] += f", feedback {quality['feedback_delay']:.0f} ms"
        shown |= {
            "service": _milliseconds(quality["age_p50"]),
            "in": _rate(quality["rate_in"]),
            "out": _rate(quality["rate_out"]),
            "lost": f"{lost:,.0f}" + (f" ({n_missing:,} here)" if n_missing else ""),
            "waiting": f"{waiting:,.0f}",
            "fit": _percent(quality["goodness_of_fit"]),
        }
    shown["runs"] = service.provenance.provider.removesuffix("ExecutionProvider")
    shown["model"] = service.bundle.name
    if service.provenance.polarity == "positive":
        shown["model"] += ", one polarity"
    return shown


def delay_parts(
    quality: dict[str, float], service: Service, window_s: float, band_delay_s: float
) -> str:
    """Say what the delay is made of, a line each; parameters as of `health_numbers`."""
    parts = [f"Filters: {_filter_ms(quality, service, band_delay_s):.0f} ms."]
    if window_s:
        middle_ms = window_s * 1e3 / 2
        parts.append(f"Window of {window_s:g} s: its middle lies {middle_ms:.0f} ms back.")
    if quality and math.isfinite(quality["feedback_delay"]):
        parts.append(
            f"Feedback: {quality['feedback_delay']:.0f} ms from a step of a source to half its "
            "effect, filter and window included."
        )
    return "\n".join(parts)


def _filter_ms(quality: dict[str, float], service: Service, band_delay_s: float) -> float:
    """Return what filters add to the map on the screen."""
    if math.isfinite(band_delay_s):
        return band_delay_s * 1e3
    return quality["filter_delay"] if quality else service.provenance.filter_delay_s * 1e3


def strongest_regions(
    names: tuple[str, ...], means_nam: NDArray[np.float32]
) -> list[tuple[str, float]]:
    """Return name and mean moment of the strongest regions, the strongest first.

    Parameters
    ----------
    names : tuple of str
    means_nam : ndarray, shape (n_regions,)
    """
    order = np.argsort(means_nam)[::-1][:N_REGIONS]
    return [(names[i], float(means_nam[i])) for i in order if means_nam[i] > 0]


def _milliseconds(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value / 1e3:.1f} s" if abs(value) >= 1e3 else f"{value:.1f} ms"


def _rate(value: float) -> str:
    return f"{value:.0f} Hz" if math.isfinite(value) else "–"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if math.isfinite(share) else "–"
