"""Whether what is shown is true now, in words."""

from __future__ import annotations

from dataclasses import dataclass

# What is shown must be younger. A sample waits a frame at most, and a look at it takes another.
STALE_S = 0.2
# Beyond these an age says that a sender does not stamp with LSL's clock.
BELIEVABLE_S = (-0.05, 5.0)


@dataclass(frozen=True)
class Freshness:
    """What to say of the picture.

    Attributes
    ----------
    word : str
        ``LIVE``, ``STALE``, ``LOST``, ``WAITING``, ``INVALID`` or ``CLOCK``.
    text : str
        What is the matter; empty for nothing.
    is_stale : bool
        The picture must not look alive.
    """

    word: str
    text: str
    is_stale: bool


LIVE = Freshness("LIVE", "", False)


def judge_freshness(
    name: str,
    silence_s: float,
    age_s: float,
    sfreq_hz: float,
    *,
    is_open: bool,
    is_finite: bool = True,
    refusal: str = "",
) -> Freshness:
    """Judge what is shown.

    Parameters
    ----------
    name : str
        Of the stream.
    silence_s : float
        Since a sample came.
    age_s : float
        Of the sample that is shown, by its time stamp; infinite before the first one.
    sfreq_hz : float
        Nominal rate of the stream.
    is_open : bool
        Whether the stream is there.
    is_finite : bool
        Whether the map that is shown holds numbers alone.
    refusal : str
        Why a stream that is there is not shown; empty for nothing.
    """
    if refusal:
        return Freshness("LOST", refusal, True)
    if not is_open:
        text = f"{name} is gone for {silence_s:.0f} s: waiting for it to come back"
        return Freshness("LOST", text, True)
    stale_s = max(STALE_S, 3 / sfreq_hz)
    if age_s == float("inf"):
        return Freshness("WAITING", f"{name} is there, but no sample has come", True)
    if silence_s > stale_s:
        return Freshness("STALE", f"no sample for {silence_s:.1f} s", True)
    if not is_finite:
        text = "the source map holds what is no number: an electrode sends NaN"
        return Freshness("INVALID", text, True)
    if not BELIEVABLE_S[0] <= age_s <= BELIEVABLE_S[1]:
        text = f"samples are {age_s:.3g} s old by their stamps: the sender's clock, or a backlog"
        return Freshness("CLOCK", text, age_s > BELIEVABLE_S[1])
    if age_s > stale_s:
        # Late when they came, or of a good age then and silent since.
        late = age_s - silence_s > stale_s / 2
        text = f"samples come {age_s:.1f} s late" if late else f"no sample for {silence_s:.1f} s"
        return Freshness("STALE", text, True)
    return LIVE
