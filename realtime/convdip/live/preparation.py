"""From the stream's numbers to EEG that may be imaged: steps 4 to 6, and what they must not hide.

Conditioning, then the electrodes that can be believed, then their operator. Where those electrodes
cannot bear an image, it says so instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Artefact, Invalid
from convdip.head import Head
from convdip.live.artefacts import ArtefactFinder
from convdip.live.conditioning import MAINS_HZ, Conditioner, Filters, is_voltage
from convdip.live.coverage import ScalpField
from convdip.live.electrodes import Electrodes, Finding
from convdip.live.mains import mains_hz
from convdip.live.montage import Montage
from convdip.live.operator import OneCap, Operator, Operators

# Mean share of the expected power at the model's electrodes that those that are there must tell.
# Simulated sources, SNR as in the demo: all 31 electrodes .98 (error 14 mm), 18 of the clinical
# nineteen .92 (33 mm), 21 with the left third missing .86 (38 mm), 14 at random .84 (41 mm), half a
# cap .73 (45 mm); chance is 78 mm (benchmarks/chair.py).
LEAST_COVERAGE = 0.85
# Below this there is no signal at all.
NO_SIGNAL_V = 1e-9


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples that are imaged with the same electrodes.

    Attributes
    ----------
    eeg : ndarray of float32, shape (n_times, n_used)
        Volts at the montage's electrodes, conditioned.
    operator : Operator
        How they are imaged.
    invalid : Invalid
        Whether they can be imaged.
    bands : tuple of ndarray, shape (n_times, n_used)
        The same in other bands.
    """

    eeg: NDArray[np.float32]
    operator: Operator
    invalid: Invalid
    bands: tuple[NDArray[np.float32], ...] = ()


class Preparation:
    """Conditions samples and watches the electrodes they come from.

    Parameters
    ----------
    head : Head
    montage : Montage
    sfreq_hz : float
    filters : Filters
    bad : collection of str
        Electrodes that are left out from the start.
    keep : bool
        Leave no others out; only say what is found.
    operators : Operators, optional
        Of the montage, for the network; by default those that fill the model's cap.
    bands : sequence of (float, float)
        Edges in Hz of further bands, in place of the filters' own.

    Attributes
    ----------
    conditioner : Conditioner
    electrodes : Electrodes
    coverage : ndarray, shape (n_electrodes of the model,)
        Share of each one's expected power that the good electrodes tell.
    operator : Operator
        Of the electrodes that can be believed.
    artefact : Artefact
        In the last half second.
    level_v : float
        Median SD of the good electrodes over the last second; NaN before the first, and where none
        can be judged.
    n_judged, n_restarts : int
        Windows judged since the last restart, and restarts so far.
    """

    def __init__(
        self,
        head: Head,
        montage: Montage,
        sfreq_hz: float,
        filters: Filters,
        *,
        bad: Collection[str] = (),
        keep: bool = False,
        operators: Operators | None = None,
        bands: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._head, self._montage, self._sfreq_hz = head, montage, sfreq_hz
        self._operators, self._keep = operators or OneCap(head, montage), keep
        self._field = ScalpField(montage.places_m, head.electrodes_m)
        self.electrodes = Electrodes(montage.names, self._field, sfreq_hz, bad, keep=keep)
        self.conditioner = Conditioner(filters, sfreq_hz)
        in_bands = [Conditioner(replace(filters, band_hz=band), sfreq_hz) for band in bands]
        self._in_bands = in_bands
        self._artefacts = ArtefactFinder(head, montage.places_m, self.electrodes.times_s)
        self._findings: list[Finding] = []
        if isinstance(filters.notch_hz, float | int):
            self.electrodes.look_past_mains(filters.notch_hz)
        self._use_electrodes()
        self.n_restarts = -1
        self.restart()

    def restart(self) -> None:
        """Begin anew after a gap: filters from the next sample, watching with an empty window."""
        self.n_restarts += 1
        for conditioner in (self.conditioner, *self._in_bands):
            conditioner.restart()
        self.electrodes.restart()
        self.artefact, self.level_v, self._has_signal = Artefact.NONE, np.nan, True
        self.n_judged = 0
        self._is_judged = self._is_all_zero = True

    @property
    def invalid(self) -> Invalid:
        """Why nothing is imaged, if so."""
        if not self._has_signal or self._is_all_zero:
            return Invalid.SIGNAL
        return Invalid.NOT if self._is_covered else Invalid.COVERAGE

    def __call__(self, samples: NDArray[np.generic]) -> Iterator[Stretch]:
        """Condition samples, in as many stretches as electrodes change.

        Parameters
        ----------
        samples : ndarray, shape (n_times, n_stream_channels)
            The stream's own numbers.
        """
        raw = samples[:, self._montage.channels].astype(np.float64) * self._montage.volts
        first = 0
        while first < len(raw):
            self.look()
            part = raw[first : first + self.electrodes.n_to_boundary()]
            if self._is_all_zero:  # zeros from the beginning are no signal, whatever comes next
                is_signal = part.any(axis=1)
                n_zeros = int(is_signal.argmax()) if is_signal.any() else len(part)
                self._is_all_zero, part = n_zeros > 0, part[: n_zeros or len(part)]
            yield from self._stretches(part)
            self._is_judged = False
            first += len(part)

    def skip(self, samples: NDArray[np.generic]) -> None:
        """Condition and watch samples that are not to be imaged."""
        for _ in self(samples):
            pass

    def use(self, operators: Operators) -> None:
        """Image with other operators of the same montage from the next stretch on."""
        self._operators = operators
        self._use_electrodes()

    def _stretches(self, raw: NDArray[np.float64]) -> Iterator[Stretch]:
        """Condition samples up to the next judgement."""
        conditioned = self.conditioner(raw)
        self.electrodes.add(raw, conditioned)
        eeg, *bands = (
            volts.astype(np.float32)
            for volts in (conditioned, *(conditioner(raw) for conditioner in self._in_bands))
        )
        if self._keep:  # what no one left out is not invented, either
            for volts in (eeg, *bands):
                volts[~is_voltage(raw) & self.electrodes.good] = np.nan
        first = 0
        while first < len(raw):
            rest = slice(first, None)
            n = self.electrodes.n_before_no_eeg(raw[rest], conditioned[rest])
            if n:
                here = slice(first, first + n)
                in_bands = tuple(volts[here] for volts in bands)
                yield Stretch(eeg[here], self.operator, self.invalid, in_bands)
            first += n
            if first < len(raw):
                here = slice(first, first + 1)
                self._found(self.electrodes.leave_out(raw[here], conditioned[here]))

    def look(self) -> bool:
        """Judge the last second where that is due, and say whether it was.

        All that can wait is done here: between two samples, or else before the next one.
        """
        if self._is_judged or not self.electrodes.is_due():
            return False
        self._is_judged = True
        self.n_judged += 1
        electrodes = self.electrodes
        window_v = judged_v = electrodes.window_v()
        if self.conditioner.filters.notch_hz == "auto" and electrodes.good.any():
            there_v = window_v[:, electrodes.good]
            found_hz = mains_hz(there_v, electrodes.times_s, self._sfreq_hz, MAINS_HZ)
            if found_hz is not None:
                for conditioner in (self.conditioner, *self._in_bands):
                    conditioner.add_notch(found_hz)
                electrodes.look_past_mains(found_hz)
                judged_v = electrodes.window_v()
        findings = electrodes.judge(judged_v)
        back = np.array([f.number for f in findings if not f.is_bad], np.intp)
        for conditioner in (self.conditioner, *self._in_bands):
            conditioner.reseed(back)  # it still rings with what it was left out for
        self._found(findings)
        spread_v, good = window_v.std(axis=0), electrodes.good
        self._has_signal = bool((spread_v > NO_SIGNAL_V).any())
        can_tell = self._has_signal and good.any()
        self.level_v = float(np.median(spread_v[good])) if can_tell else np.nan
        self.artefact = self._artefacts(window_v, good | electrodes.is_noisy)
        return True

    def _found(self, findings: list[Finding]) -> None:
        if findings:
            self._findings += findings
            self._use_electrodes()

    def findings(self) -> list[Finding]:
        """Return what was found since the last call."""
        found, self._findings = self._findings, []
        return found

    def _use_electrodes(self) -> None:
        """Take the operator of the electrodes that can be believed."""
        good = self.electrodes.good
        self.coverage = self._field.coverage(good)
        self._is_covered = bool(self.coverage.mean() >= LEAST_COVERAGE)
        names = self._montage.names
        bad = {name for name, is_good in zip(names, good, strict=True) if not is_good}
        self.operator = self._operators(bad)
