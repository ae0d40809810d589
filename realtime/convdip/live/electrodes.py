"""Step 5: which electrodes can be believed. The others are left out, with hysteresis.

What is far from EEG is left out at the very sample. Everything else is judged four times a second
over the last second, each electrode against the others and against what its neighbours predict.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from convdip.live.conditioning import are_voltages, is_voltage
from convdip.live.coverage import ScalpField
from convdip.live.mains import mains_waves
from convdip.live.products import gram, product

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]

WINDOW_S = 1.0
HOP_S = 0.25
# At most so many samples of a window are looked at: more tell no more.
LOOKED_AT = 250
# No EEG: after the filter, against the median of all electrodes.
LIMIT_V = 1e-3

# So many bad windows in a row leave an electrode out, so many good ones give it back. EEG that
# does not fit its neighbours needs longer: an eye movement does not, either.
N_OUT, N_OUT_MISFIT, N_BACK = 3, 16, 8
# An electrode that is bad again within this time has to be good for twice as long, up to half a
# minute.
RELAPSE_S, N_BACK_MOST = 20.0, 128
# With worse electrodes at first, the others' predictions are worth little: so often the worst
# is taken out before the others are judged again.
N_ROUNDS = 8

# Where a window is bad. On nine recordings without a known fault, 99 % of the windows of single
# electrodes have a gain of .5 to 3, a correlation above .1 and a residual below 5.
FLAT_GAIN = 0.15  # SD over predicted SD
NOISY_STEPS, NOISY_GAIN = 4.0, 1.3  # SD of steps over the median electrode's
ROUGH_STEPS, ROUGH_RESIDUAL = 2.5, 3.0
LOUD_RESIDUAL, LOUD_CORRELATION = 3.0, 0.2  # SD over expected SD; with the prediction
STRANGE_RESIDUAL, STRANGE_CORRELATION = 1.8, 0.1
DRIFT_RESIDUAL, DRIFT_V = 8.0, 100e-6
# A recording's own reference is 0 all the time, and its neighbours agree.
REFERENCE_RESIDUAL = 1.8
# A constant value so far from 0 is an end of the amplifier's range.
RAIL_V = 5e-3


class Reason(StrEnum):
    """Why an electrode is left out."""

    HAND = "by hand"
    NUMBER = "not a number"
    AMPLITUDE = "amplitude"
    RAIL = "rail"
    FLAT = "flat"
    NOISE = "noise"
    MISFIT = "misfit"
    DRIFT = "drift"


@dataclass(frozen=True)
class Finding:
    """An electrode left out, or given back.

    Attributes
    ----------
    number : int
        Of the electrode.
    electrode : str
    reason : Reason
        Why it is, or was, left out.
    is_bad : bool
    facts : dict
        Of the window that told: ``sd_uv``, ``predicted_sd_uv``, ``correlation``, ``offset_mv``;
        empty where one sample did.
    """

    number: int
    electrode: str
    reason: Reason
    is_bad: bool
    facts: dict[str, float]


@dataclass(frozen=True)
class _Second:
    """What the last second is, whatever electrodes are believed; shapes (n_electrodes,)."""

    covariance: Float  # (n_electrodes, n_electrodes)
    steps: Float
    offset: Float
    is_constant: Mask
    has_no_number: Mask
    mean: Float  # after the filter; NaN where that says nothing


@dataclass(frozen=True)
class _Window:
    """Numbers of a window, each of shape (n_electrodes,)."""

    sd: Float
    steps: Float
    offset: Float
    is_constant: Mask
    has_no_number: Mask
    predicted_sd: Float
    correlation: Float
    residual: Float  # over what is expected of it, the median electrode's being 1
    drift: Float

    @property
    def badness(self) -> Float:
        """What tells the worst electrode from those whose predictions it spoils."""
        return np.maximum(self.residual, self.drift)


class Electrodes:
    """Watches the electrodes of a stream.

    Parameters
    ----------
    names : sequence of str
    field : ScalpField
        Of their places.
    sfreq_hz : float
    by_hand : collection of str
        Left out from the start, for good.
    keep : bool
        Leave none out but those; only say what is found.

    Attributes
    ----------
    good : ndarray of bool, shape (n_electrodes,)
        What is imaged.
    reasons : dict
        By name, why an electrode is found bad.
    fit : float
        Median correlation of the good electrodes with what their neighbours predict; NaN before
        the first judgement.
    n_hop : int
        Samples from one judgement to the next.
    times_s : ndarray, shape (n_looked_at,)
        Of the samples of a window that are looked at: evenly spaced, and not all.
    """

    def __init__(
        self,
        names: Sequence[str],
        field: ScalpField,
        sfreq_hz: float,
        by_hand: Collection[str] = (),
        *,
        keep: bool = False,
    ) -> None:
        self._names, self._field, self._keep = tuple(names), field, keep
        n = len(names)
        self._by_hand = np.isin(self._names, list(by_hand))
        self._is_bad = self._by_hand.copy()
        self.reasons = {self._names[i]: Reason.HAND for i in np.flatnonzero(self._by_hand)}
        self._sfreq_hz = sfreq_hz
        self._n_window = max(8, round(WINDOW_S * sfreq_hz))
        self.n_hop = max(2, round(HOP_S * sfreq_hz))
        self._looked_at = np.arange(0, self._n_window - 1, max(1, self._n_window // LOOKED_AT))
        self.times_s = self._looked_at / sfreq_hz
        self._mains = np.empty((self._looked_at.size, 0))
        self._raw = np.zeros((self._n_window, n))
        self._conditioned = np.zeros((self._n_window, n))
        self._use()
        self.restart()

    def restart(self) -> None:
        """Begin anew: the stream came back. What was bad stays so until it is found good."""
        n = len(self._names)
        self._n_seen = 0
        # Windows: good; bad; bad for more than not fitting the neighbours.
        self._n_in_a_row = np.zeros((3, n), int)
        # How many good ones give an electrode back, and when it was given back last.
        self._n_back, self._back_at = np.full(n, N_BACK), np.full(n, -np.inf)
        self.fit = np.nan
        self._is_always_zero = np.ones(n, bool)

    def n_to_boundary(self) -> int:
        """Return how many samples may come before a window has to be judged."""
        return self.n_hop - self._n_seen % self.n_hop

    def is_due(self) -> bool:
        """Return whether the samples so far end a window."""
        return self._n_seen >= self._n_window and self._n_seen % self.n_hop == 0

    def n_before_no_eeg(self, raw: Float, conditioned: Float) -> int:
        """Return how many rows come before the first in which an electrode is far from EEG.

        Parameters
        ----------
        raw, conditioned : ndarray, shape (n_times, n_electrodes)
            Volts, before and after the filter.
        """
        if not len(raw) or (np.abs(conditioned).max() < LIMIT_V and are_voltages(raw)):
            return len(raw)
        is_there = self._no_eeg(raw, conditioned).any(axis=1)
        return int(is_there.argmax()) if is_there.any() else len(raw)

    def leave_out(self, raw: Float, conditioned: Float) -> list[Finding]:
        """Leave out at once what is far from EEG in one sample, shape (1, n_electrodes)."""
        found = {
            int(i): Reason.AMPLITUDE if is_voltage(raw[0, i]) else Reason.NUMBER
            for i in np.flatnonzero(self._no_eeg(raw, conditioned)[0])
        }
        return self._change(found, [], None)

    def _no_eeg(self, raw: Float, conditioned: Float) -> Mask:
        """Return where electrodes that are not known for bad are no EEG."""
        if self._is_bad.all():
            return np.zeros(raw.shape, bool)
        is_watched = ~self._is_bad
        with np.errstate(invalid="ignore"):
            is_far = np.abs(conditioned) > LIMIT_V
            # What is common to all is the reference's, and the average reference takes it out.
            centred = conditioned - np.median(conditioned[:, is_watched], axis=1, keepdims=True)
            is_far &= (np.abs(centred) > LIMIT_V)[:, is_watched].any(axis=1, keepdims=True)
        return np.asarray((is_far | ~is_voltage(raw)) & is_watched)

    def add(self, raw: Float, conditioned: Float) -> None:
        """Take samples in, as far as the next boundary at most.

        Parameters
        ----------
        raw, conditioned : ndarray, shape (n_times, n_electrodes)
            Volts, before and after the filter.
        """
        first = self._n_seen % self._n_window
        n_first = min(len(raw), self._n_window - first)
        for ring, rows in ((self._raw, raw), (self._conditioned, conditioned)):
            ring[first : first + n_first] = rows[:n_first]
            ring[: len(rows) - n_first] = rows[n_first:]
        self._n_seen += len(raw)
        if self._is_always_zero.any():
            self._is_always_zero &= (raw == 0).all(axis=0)

    def judge(self, window_v: Float) -> list[Finding]:
        """Judge the last second; say what is left out from now on, and what is given back.

        Parameters
        ----------
        window_v : ndarray, shape (n_looked_at, n_electrodes)
            From `window_v`.
        """
        trial, weights, error = ~self._is_bad, self._weights, self._error
        second = self._second(window_v)
        for _ in range(N_ROUNDS):
            window = self._look(second, trial, weights, error)
            verdicts = self._verdicts(window)
            suspects = [i for i in verdicts if trial[i]]
            if not suspects or trial.sum() <= 4:
                break
            # What a bad electrode does to its neighbours' predictions is not their fault: the worst
            # go first.
            worst = max(window.badness[i] for i in suspects)
            trial[[i for i in suspects if window.badness[i] >= worst / 2]] = False
            weights, error = self._field.predictors(trial)
        self.fit = float(np.median(window.correlation[trial])) if trial.any() else np.nan
        is_bad, is_worse = np.zeros((2, len(trial)), bool)
        is_bad[list(verdicts)] = True
        is_worse[[i for i, reason in verdicts.items() if reason is not Reason.MISFIT]] = True
        self._n_in_a_row = np.where([~is_bad, is_bad, is_worse], self._n_in_a_row + 1, 0)
        n_good, n_bad, n_worse = self._n_in_a_row
        is_out = ~self._is_bad & ((n_worse >= N_OUT) | (n_bad >= N_OUT_MISFIT))
        out = np.flatnonzero(is_out).tolist()
        is_back = self._is_bad & ~self._by_hand & (n_good >= self._n_back)
        back = np.flatnonzero(is_back).tolist()
        for i in np.flatnonzero(self._is_bad & is_bad).tolist():
            if not self._by_hand[i]:
                self.reasons[self._names[i]] = verdicts[i]
        return self._change({i: verdicts[i] for i in out}, back, window)

    def keeps(self, name: str) -> bool:
        """Return whether an electrode is imaged, whatever is found of it."""
        return bool(self.good[self._names.index(name)])

    @property
    def is_noisy(self) -> Mask:
        """Which electrodes are left out for noise, as a muscle's are."""
        return np.array([self.reasons.get(name) is Reason.NOISE for name in self._names])

    def window_v(self) -> Float:
        """Return the last second, before the filter, without each electrode's mean and slope.

        Returns
        -------
        window_v : ndarray, shape (n_looked_at, n_electrodes)
            0 where an electrode gave what is no number.
        """
        raw = self._raw[self._in_order()]
        raw = np.where(np.isfinite(raw).all(axis=0), raw, 0.0)
        x: Float = raw - raw.mean(axis=0)
        time = np.arange(len(raw)) - (len(raw) - 1) / 2
        x -= time[:, None] * (time @ x / (time @ time))
        x -= self._mains @ (self._mains.T @ x)
        return x

    def look_past_mains(self, mains_hz: float) -> None:
        """Judge electrodes without what a notch takes out: it differs between good ones."""
        self._mains = mains_waves(self.times_s, [mains_hz])

    def _in_order(self) -> NDArray[np.intp]:
        """Return the rows of the ring that are looked at, the oldest first."""
        return (self._looked_at + self._n_seen) % self._n_window

    def _second(self, x: Float) -> _Second:
        """Compute what is needed of the last second, whatever electrodes are believed."""
        looked_at = self._in_order()
        raw, after = (self._raw[(looked_at + k) % self._n_window] for k in (0, 1))
        has_no_number = np.asarray(~np.isfinite(self._raw).all(axis=0))
        raw = np.where(has_no_number, 0.0, raw)
        ends = np.array([self._raw.min(axis=0), self._raw.max(axis=0)])
        with np.errstate(invalid="ignore"):
            steps = np.nan_to_num((after - raw).std(axis=0))
        is_unknown = self._is_bad | has_no_number
        return _Second(
            covariance=gram(x) / len(x),
            steps=steps,
            offset=raw.mean(axis=0),
            is_constant=ends[0] == ends[1],
            has_no_number=has_no_number,
            # Of an electrode that is left out, the filter's output says nothing.
            mean=np.where(is_unknown, np.nan, self._conditioned.mean(axis=0)),
        )

    def _look(self, second: _Second, trial: Mask, weights: Float, error: Float) -> _Window:
        """Compare the last second with predictions from some electrodes."""
        covariance, steps = second.covariance, second.steps
        power = np.diag(covariance)
        # Of predictions by the weights, and of what they miss.
        predicted_power = np.vecdot(product(weights, covariance), weights)
        common = np.vecdot(weights, covariance)
        rest = np.sqrt((power - 2 * common + predicted_power).clip(0.0)) / error
        among = trial if trial.any() else ~trial
        scale = max(float(np.median(rest[among])), np.finfo(float).tiny)
        sd, predicted_sd = np.sqrt(power), np.sqrt(predicted_power.clip(0.0))
        drift = np.nan_to_num(np.abs(second.mean - weights @ np.nan_to_num(second.mean)))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation = np.nan_to_num(common / (sd * predicted_sd))
        return _Window(
            sd=sd,
            steps=steps / max(float(np.median(steps[among])), np.finfo(float).tiny),
            offset=second.offset,
            is_constant=second.is_constant,
            has_no_number=second.has_no_number,
            predicted_sd=predicted_sd,
            correlation=correlation,
            residual=rest / scale,
            drift=np.where(drift > DRIFT_V, drift / (scale * error), 0.0),
        )

    def _verdicts(self, window: _Window) -> dict[int, Reason]:
        """Return which electrodes are bad in a window, and why."""
        gain = window.sd / np.maximum(window.predicted_sd, np.finfo(float).tiny)
        is_reference = self._is_always_zero & (window.badness < REFERENCE_RESIDUAL)
        is_flat = (window.is_constant | (gain < FLAT_GAIN)) & ~is_reference
        is_noise = (
            ((window.steps > NOISY_STEPS) & (gain > NOISY_GAIN))
            | ((window.steps > ROUGH_STEPS) & (window.residual > ROUGH_RESIDUAL))
            | ((window.residual > LOUD_RESIDUAL) & (window.correlation < LOUD_CORRELATION))
        )
        is_misfit = (window.residual > STRANGE_RESIDUAL) & (
            window.correlation < STRANGE_CORRELATION
        )
        found: dict[int, Reason] = {}
        for reason, where in (
            (Reason.NUMBER, window.has_no_number),
            (Reason.RAIL, is_flat & window.is_constant & (np.abs(window.offset) > RAIL_V)),
            (Reason.FLAT, is_flat),
            (Reason.NOISE, is_noise & ~is_reference),
            (Reason.MISFIT, is_misfit & ~is_reference),
            (Reason.DRIFT, window.drift > DRIFT_RESIDUAL),
        ):
            for i in np.flatnonzero(where).tolist():
                found.setdefault(i, reason)
        return found

    def _change(
        self, out: dict[int, Reason], back: list[int], window: _Window | None
    ) -> list[Finding]:
        """Leave electrodes out and give others back."""
        findings = []
        for i, reason in out.items():
            self._is_bad[i] = True
            # One that fails again as soon as it is back has to be good for longer.
            is_relapse = self._n_seen - self._back_at[i] < RELAPSE_S * self._sfreq_hz
            self._n_back[i] = min(2 * self._n_back[i], N_BACK_MOST) if is_relapse else N_BACK
            self._n_in_a_row[:, i] = 0
            self.reasons[self._names[i]] = reason
            findings.append(Finding(i, self._names[i], reason, True, _facts(window, i)))
        for i in back:
            self._is_bad[i] = False
            self._conditioned[:, i] = 0.0  # its filter begins anew
            self._back_at[i] = self._n_seen
            reason = self.reasons.pop(self._names[i])
            findings.append(Finding(i, self._names[i], reason, False, _facts(window, i)))
        if findings:
            self._use()
        return findings

    def _use(self) -> None:
        self.good = ~(self._by_hand if self._keep else self._is_bad)
        self._weights, self._error = self._field.predictors(~self._is_bad)


def _facts(window: _Window | None, i: int) -> dict[str, float]:
    if window is None:
        return {}
    return {
        "sd_uv": round(float(window.sd[i]) * 1e6, 3),
        "predicted_sd_uv": round(float(window.predicted_sd[i]) * 1e6, 3),
        "correlation": round(float(window.correlation[i]), 3),
        "offset_mv": round(float(window.offset[i]) * 1e3, 3),
    }
