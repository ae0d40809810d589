"""What the preparation of samples found, told as events and in the health."""

from __future__ import annotations

import logging

from convdip.frame import EegChunk, Flags, Frame, Invalid
from convdip.live.electrodes import Finding
from convdip.live.events import Say
from convdip.live.health import Health
from convdip.live.level import LevelCheck
from convdip.live.preparation import Preparation
from convdip.streams import Event

# So long without an invalid sample, and estimates count as valid again.
HOLD_S = 1.0
# A client that starts late learns which electrodes are bad within this time.
REPEAT_S = 10.0


class Watch:
    """Tells what happens to the electrodes of a stream.

    Parameters
    ----------
    preparation : Preparation
    health : Health
    """

    def __init__(self, preparation: Preparation, health: Health) -> None:
        self._preparation, self._health = preparation, health
        self._level = LevelCheck()
        self._invalid_s = self._repeated_s = -float("inf")
        self._n_judged = preparation.n_judged
        self._notch_hz = preparation.conditioner.filters.notch_hz
        self._note()

    def restart(self) -> None:
        """Begin anew: the stream came back."""
        self.begin_anew()
        self._level.restart()

    def begin_anew(self) -> None:
        """Begin anew after a gap in the stream."""
        self._preparation.restart()
        self._n_judged = 0
        self._note()

    def skip(self, chunk: EegChunk) -> None:
        """Filter and watch what is not imaged."""
        self._preparation.skip(chunk.samples)

    def flags(self, frame: Frame) -> Flags:
        """Return what is known of the EEG that a frame was made from."""
        preparation = self._preparation
        bad = tuple(preparation.electrodes.reasons)
        return Flags(invalid=frame.flags.invalid, artefact=preparation.artefact, bad=bad)

    def after(self, frame: Frame, now_s: float, say: Say) -> None:
        """Judge what is due, and tell what is new; once a frame is on its way."""
        preparation = self._preparation
        preparation.look()
        # Where a sender sends blocks, most judgements fall between two samples of one.
        is_judged = preparation.n_judged != self._n_judged
        self._n_judged = preparation.n_judged
        findings = preparation.findings()
        for finding in findings:
            self._tell(finding, now_s, say)
        self._tell_validity(frame.flags.invalid, now_s, say)
        if not is_judged and not findings:
            return
        self._note()
        level_v, fit = preparation.level_v, preparation.electrodes.fit
        text = self._level(level_v, fit) if is_judged else ""
        if text:
            facts = {"sd_uv": level_v * 1e6, "correlation": fit}
            say(Event.LEVEL, text, now_s, logging.WARNING, **facts)
        notch_hz = preparation.conditioner.filters.notch_hz
        if notch_hz != self._notch_hz:
            self._notch_hz = notch_hz
            text = f"mains found: {notch_hz:g} Hz is filtered out from now on"
            say(Event.NOTCH, text, now_s, logging.WARNING, hz=notch_hz)
        if now_s - self._repeated_s > REPEAT_S:
            self._repeat(now_s, say)

    def _note(self) -> None:
        preparation, health = self._preparation, self._health
        health.n_bad = len(preparation.operator.lacking)
        health.artefact = preparation.artefact
        health.filter_delay_s = preparation.conditioner.delay_s

    def _tell(self, finding: Finding, now_s: float, say: Say) -> None:
        name, reason = finding.electrode, finding.reason
        electrodes = self._preparation.electrodes
        facts = {"electrode": name, "reason": str(reason), **finding.facts}
        if finding.is_bad:
            facts["kept"] = electrodes.keeps(name)
            what = "kept all the same" if facts["kept"] else "left out"
            say(Event.BAD, f"{name} is bad ({reason}): {what}", now_s, logging.WARNING, **facts)
        else:
            say(Event.GOOD, f"{name} is good again", now_s, logging.WARNING, **facts)

    def _repeat(self, now_s: float, say: Say) -> None:
        """Say again what is so, for clients that were not there."""
        self._repeated_s = now_s
        electrodes, invalid = self._preparation.electrodes, self._health.invalid
        for name, reason in electrodes.reasons.items():
            facts = {"electrode": name, "reason": str(reason), "kept": electrodes.keeps(name)}
            text = f"{name} is bad ({reason})"
            say(Event.BAD, text, now_s, logging.DEBUG, **facts, repeated=True)
        if isinstance(self._notch_hz, float):
            text = f"{self._notch_hz:g} Hz is filtered out"
            say(Event.NOTCH, text, now_s, logging.DEBUG, hz=self._notch_hz, repeated=True)
        if invalid != Invalid.NOT:
            facts = {"reason": str(invalid), "repeated": True}
            say(Event.INVALID, f"NOT VALID ({invalid})", now_s, logging.DEBUG, **facts)

    def _tell_validity(self, invalid: Invalid, now_s: float, say: Say) -> None:
        health = self._health
        was = health.invalid
        if invalid != Invalid.NOT:
            self._invalid_s = now_s
            health.invalid = invalid
            if invalid != was:
                coverage = float(self._preparation.coverage.mean())
                text = f"NOT VALID ({invalid}): no estimates until that is over"
                facts = {"reason": str(invalid), "coverage": round(coverage, 3)}
                say(Event.INVALID, text, now_s, logging.ERROR, **facts)
        elif was != Invalid.NOT and now_s - self._invalid_s > HOLD_S:
            health.invalid = Invalid.NOT
            say(Event.VALID, "valid again", now_s, logging.WARNING)
