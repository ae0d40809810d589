"""Whether what is shown is the present: live, stale, lost or invalid."""

from __future__ import annotations

from dataclasses import dataclass

# Older samples are stale. Reading and drawing take two frames at most.
STALE_S = 0.2
# An age outside this range means that the sender does not stamp with LSL's clock.
BELIEVABLE_S = (-0.05, 5.0)


@dataclass(frozen=True)
class Freshness:
    """The state of the picture.

    Attributes
    ----------
    word : str
        ``LIVE``, ``STALE``, ``LOST``, ``WAITING``, ``INVALID`` or ``CLOCK``.
    text : str
        The reason; empty while live.
    is_stale : bool
        The picture must be drawn without colours.
    """

    word: str
    text: str
    is_stale: bool


LIVE = Freshness("LIVE", "", False)


def stale_after_s(sfreq_hz: float) -> float:
    """Return how old a sample may be at a sampling rate: of slow streams, three samples."""
    return max(STALE_S, 3 / sfreq_hz)


def judge_freshness(
    name: str,
    silence_s: float,
    age_s: float,
    sfreq_hz: float,
    *,
    is_open: bool,
    is_finite: bool = True,
    refusal: str = "",
    invalid: str = "",
) -> Freshness:
    """Judge what is shown.

    Parameters
    ----------
    name : str
        Of the stream.
    silence_s : float
        Time since the last sample arrived.
    age_s : float
        Age of the sample shown, by its time stamp; infinite before the first one.
    sfreq_hz : float
        Nominal sampling rate.
    is_open : bool
        Whether the stream is connected.
    is_finite : bool
        Whether the map shown is free of NaN and infinity.
    refusal : str
        Why the stream cannot be shown; empty if it can.
    invalid : str
        Why the service gives no estimates, as far as it said.
    """
    if refusal:
        return Freshness("LOST", refusal, True)
    if not is_open:
        text = f"{name} was lost {silence_s:.0f} s ago: waiting for it to return"
        return Freshness("LOST", text, True)
    stale_s = stale_after_s(sfreq_hz)
    if age_s == float("inf"):
        return Freshness("WAITING", f"connected to {name}: waiting for the first sample", True)
    if silence_s > stale_s:
        return Freshness("STALE", f"no sample for {silence_s:.1f} s", True)
    if not is_finite:
        text = f"no estimates: {invalid or 'check the EEG'}"
        return Freshness("INVALID", text, True)
    if not BELIEVABLE_S[0] <= age_s <= BELIEVABLE_S[1]:
        text = f"time stamps are {age_s:.3g} s old: wrong sender clock, or a backlog"
        return Freshness("CLOCK", text, age_s > BELIEVABLE_S[1])
    if age_s > stale_s:
        # Late on arrival, or on time then and silent since.
        late = age_s - silence_s > stale_s / 2
        text = f"samples arrive {age_s:.1f} s late" if late else f"no sample for {silence_s:.1f} s"
        return Freshness("STALE", text, True)
    return LIVE
