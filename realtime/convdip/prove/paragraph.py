"""The paragraph for a methods section."""

from __future__ import annotations

from convdip.feedback.features import WINDOW_S
from convdip.prove.about import About
from convdip.prove.outcome import PULSES, SNR_WORDS, Judgement
from convdip.prove.session import BANDS, PLATEAU_S
from convdip.sources.simulator import MOMENT_NAM, SNR

OWN_HEAD = (
    "Simulation and inverse shared one head model, so that the accuracy is an upper bound for that "
    "in participants."
)


def methods_paragraph(about: About, judged: Judgement) -> str:
    """Return what a lab can paste, with the numbers of this run."""
    return " ".join(
        [*_what_was_done(about, judged), *_what_was_found(judged), *_how_soon(judged), OWN_HEAD]
    )


def _what_was_done(about: About, judged: Judgement) -> list[str]:
    kinds = [judged.found[kind] for kind in (PULSES, *BANDS)]
    n_sources = sum(found.strongest.n + found.suspended for found in kinds)
    low_nam, high_nam = MOMENT_NAM
    some = f"{about.n_regions} regions, drawn at random," if about.is_quick else "every region"
    return [
        f"Real-time source imaging was verified end to end with convdip {about.machine['convdip']} "
        f"(model {about.model}, SHA-256 {about.model_sha256}).",
        f"Simulated EEG ({about.n_electrodes} electrodes, {about.sfreq_hz:g} Hz) with {n_sources} "
        f"cortical patches of {low_nam:g}–{high_nam:g} nAm in {some} of the Desikan–Killiany "
        f"atlas, in background EEG at a median peak signal-to-noise ratio of {SNR:.1f}, was "
        "streamed over Lab Streaming Layer and imaged by the software used in the experiment "
        f"({about.machine['processor']}; {about.provider}).",
    ]


def _what_was_found(judged: Judgement) -> list[str]:
    pulses = judged.found[PULSES]
    edges = ", ".join(f"{band} {low:g}–{high:g} Hz" for band, (low, high) in BANDS.items())
    by_snr = ", ".join(
        f"{judged.found[kind].strongest} {words}"
        for kind, words in SNR_WORDS.items()
        if kind in judged.found
    )
    n_left_out = sum(judged.found[kind].suspended for kind in (PULSES, *BANDS))
    by_band = ", ".join(f"{judged.found[band].strongest} for {band}" for band in BANDS)
    return [
        f"For pulses of {PLATEAU_S:g} s, the region of highest amplitude over a window of "
        f"{WINDOW_S:g} s was the one that held the source in {pulses.strongest} (in brackets, here "
        f"and below, 95 % confidence intervals; by chance {100 * pulses.strongest.chance:.1f} %), "
        f"and that one was among the three strongest in {pulses.among_three}; by "
        f"peak signal-to-noise ratio, it was the strongest in {by_snr}.",
        f"For rhythms ({edges}), the region of highest power in the band was the right one in "
        f"{by_band}.",
        *([f"{n_left_out} sources are left out, for which no value was given."] * (n_left_out > 0)),
        f"The median distance from a pulse to the strongest dipole was {judged.dipole_mm}, by "
        f"chance {judged.dipole_mm.chance:.0f} mm, and its sign was right in {judged.sign_right}.",
    ]


def _how_soon(judged: Judgement) -> list[str]:
    halves = ", ".join(
        f"{delay.half.median:.2f} s ({band})" for band, delay in judged.delays.items()
    )
    client_ms, lost = judged.ages_ms["client"], max(judged.samples.lost.values())
    return [
        f"Band power followed a step of a rhythm half-way after a median of {halves}.",
        f"Estimates reached a client a median of {client_ms['p50']:.1f} ms after the EEG sample's "
        f"time stamp (99th percentile: {client_ms['p99']:.1f} ms); {lost} of "
        f"{judged.samples.sent} samples were lost.",
    ]
