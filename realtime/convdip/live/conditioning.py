"""Step 4: causal filters, before the image, since the network is not linear.

In float64, since an offset of 100 mV leaves float32 a resolution of 8 nV, and with a state for each
electrode that lives on from chunk to chunk: how a stream is cut changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.live.sections import at_rest, band_pass, high_pass, notch, step

Float = NDArray[np.float64]

# The edge that the ERP literature calls safe, and the order that forgets a constant drift as well
# as an offset; docs/research-log.md has what others cost (benchmarks/chair.py).
HIGH_PASS_HZ, HIGH_PASS_ORDER = 0.1, 2
BAND_ORDER = 2  # at each edge
NOTCH_WIDTH_HZ = 2.0
# No amplifier sends more: a number that is none.
NO_VOLTAGE_V = 10.0
MAINS_HZ = (50.0, 60.0)
# Where no band is chosen, the delay is stated for the middle of what people look at.
USUAL_HZ = 10.0


def is_voltage(raw: Float) -> NDArray[np.bool_]:
    """Return where numbers may come from an amplifier; not where they are NaN."""
    return np.asarray(np.abs(raw) < NO_VOLTAGE_V)


def are_voltages(raw: Float) -> bool:
    """Return whether all do, in one look: NaN is on neither side of a limit."""
    return bool(raw.min() > -NO_VOLTAGE_V and raw.max() < NO_VOLTAGE_V)


@dataclass(frozen=True)
class Filters:
    """What is done to each electrode's signal before it is imaged.

    Attributes
    ----------
    high_pass_hz : float or None
        Edge of the high-pass, which takes out offsets and drift.
    band_hz : (float, float) or None
        Edges of a band-pass, in place of the high-pass.
    notch_hz : float, 'auto' or None
        Mains; ``auto`` for a notch where it is found, once it is.

    Raises
    ------
    ConfigError
        If an edge is not a number above 0, or the band is none.
    """

    high_pass_hz: float | None = HIGH_PASS_HZ
    band_hz: tuple[float, float] | None = None
    notch_hz: float | Literal["auto"] | None = "auto"

    def __post_init__(self) -> None:
        if self.high_pass_hz is not None and not 0 < self.high_pass_hz < np.inf:
            raise ConfigError(f"`high_pass` is {self.high_pass_hz:g}: expected Hz above 0")
        if self.band_hz is not None and not 0 < self.band_hz[0] < self.band_hz[1] < np.inf:
            low, high = self.band_hz
            raise ConfigError(
                f"`band` is {low:g} to {high:g}: expected two edges in Hz, the lower one first"
            )
        if isinstance(self.notch_hz, float | int) and not 0 < self.notch_hz < np.inf:
            raise ConfigError(f"`notch` is {self.notch_hz:g}: expected Hz above 0, or 'auto'")

    def __str__(self) -> str:
        """Say it, as the provenance does; ``none`` for no filter."""
        parts = []
        if self.band_hz is not None:
            low, high = self.band_hz
            parts.append(f"{low:g}-{high:g} Hz band-pass, order {BAND_ORDER} at each edge")
        elif self.high_pass_hz is not None:
            parts.append(f"{self.high_pass_hz:g} Hz high-pass, order {HIGH_PASS_ORDER}")
        if self.notch_hz == "auto":
            parts.append("notch where mains is found")
        elif self.notch_hz is not None:
            parts.append(f"{self.notch_hz:g} Hz notch")
        return f"causal {', '.join(parts)}" if parts else "none"

    @classmethod
    def from_text(cls, text: str) -> Filters:
        """Read what `str` says."""

        def number(before: str) -> float | None:
            found = re.search(rf"([\d.e+-]+) Hz {before}", text)
            return float(found[1]) if found else None

        band = re.search(r"([\d.e+]+)-([\d.e+]+) Hz band-pass", text)
        notch_hz = "auto" if "notch where" in text else number("notch")
        edges_hz = None if band is None else (float(band[1]), float(band[2]))
        return cls(number("high-pass"), edges_hz, notch_hz)  # type: ignore[arg-type]

    def sections(self, sfreq_hz: float) -> Float:
        """Return second-order sections, shape (n_sections, 6); none for no filter.

        Raises
        ------
        ConfigError
            If an edge lies above half of the sampling rate.
        """
        half_hz = sfreq_hz / 2
        sections = [np.empty((0, 6))]
        if self.band_hz is not None:
            _check_below("band", self.band_hz[1], half_hz)
            sections.append(band_pass(BAND_ORDER, self.band_hz, sfreq_hz))
        elif self.high_pass_hz is not None:
            _check_below("high_pass", self.high_pass_hz, half_hz)
            sections.append(high_pass(HIGH_PASS_ORDER, self.high_pass_hz, sfreq_hz))
        if isinstance(self.notch_hz, float | int):
            _check_below("notch", self.notch_hz, half_hz)
            sections.append(notch(self.notch_hz, NOTCH_WIDTH_HZ, sfreq_hz))
        return np.concatenate(sections)

    @property
    def centre_hz(self) -> float | None:
        """The middle of the band, as rhythms are counted; None without a band."""
        return None if self.band_hz is None else float(np.sqrt(np.prod(self.band_hz)))

    def delay_s(self, sfreq_hz: float) -> float:
        """Return the group delay at the band's centre, or at 10 Hz without a band.

        From the definition, −dφ/dω, by the derivative of each section's polynomials.
        """
        centre_hz = self.centre_hz or USUAL_HZ
        z = np.exp(-2j * np.pi * centre_hz / sfreq_hz)  # z⁻¹
        powers, n = z ** np.arange(3), np.arange(3)
        delay = 0.0
        for section in self.sections(sfreq_hz):
            for sign, part in ((1, section[:3]), (-1, section[3:])):
                response = (part * powers).sum()
                if abs(response) < 1e-9 * np.abs(part).sum():
                    delay += sign * 1.0  # a zero on the circle, of a symmetric part: its limit
                else:
                    delay += sign * float(((part * n * powers).sum() / response).real)
        return delay / sfreq_hz


def _check_below(what: str, edge_hz: float, half_hz: float) -> None:
    if not edge_hz < half_hz:
        raise ConfigError(
            f"`{what}` goes up to {edge_hz:g} Hz: expected less than {half_hz:g} Hz, half of the "
            "stream's sampling rate"
        )


class Conditioner:
    """Filters the signals of all electrodes, sample by sample.

    Each electrode's state begins as if its first sample had been there for ever, so that an offset
    leaves no transient. Where no voltage comes, but NaN or what no amplifier sends, the last one is
    held: a filter would remember it for ever.

    A step of all sections is linear in the sample and the state: one small product for all
    electrodes, a tenth of what SciPy's filter takes for one sample.

    Parameters
    ----------
    filters : Filters
    sfreq_hz : float

    Attributes
    ----------
    filters : Filters
    delay_s : float
    held_v : ndarray, shape (n_electrodes,), or None
        The last voltage of each.
    """

    def __init__(self, filters: Filters, sfreq_hz: float) -> None:
        self._sfreq_hz = sfreq_hz
        self._use(filters)
        self.restart()

    def restart(self) -> None:
        """Begin anew: what comes next does not go on from what was."""
        self.held_v: Float | None = None
        # The last sample filtered, then the state: shape (1 + n_states, n_electrodes).
        self._now: Float | None = None
        self._next: Float | None = None

    def add_notch(self, notch_hz: float) -> None:
        """Take mains out, too, from the next sample on; the other filters go on as they are."""
        before = self._now
        self._use(replace(self.filters, notch_hz=notch_hz))
        if before is not None:
            begun = self._rest[len(before) - 1 :, None] * before[0]
            self._now = np.concatenate([before, begun])
            self._next = np.empty_like(self._now)

    def _use(self, filters: Filters) -> None:
        self.filters, self.delay_s = filters, filters.delay_s(self._sfreq_hz)
        sections = filters.sections(self._sfreq_hz)
        self._step, self._rest = step(sections), at_rest(sections)

    def reseed(
        self, electrodes: NDArray[np.intp], volts: NDArray[np.floating] | None = None
    ) -> None:
        """Begin anew with some electrodes, as if a voltage, or their last one, was always there."""
        if self._now is not None and self.held_v is not None:
            at = self.held_v[electrodes] if volts is None else volts
            self._now[1:, electrodes] = self._rest[:, None] * at

    def __call__(self, samples: Float) -> Float:
        """Filter samples.

        Parameters
        ----------
        samples : ndarray of float64, shape (n_times, n_electrodes)
            Volts.

        Returns
        -------
        conditioned : ndarray of float64, shape (n_times, n_electrodes)
        """
        if not len(samples):
            return samples
        samples = self._hold(samples)
        if self._now is None or self._next is None:
            self._now = np.concatenate([samples[:1], self._rest[:, None] * samples[0]])
            self._next = np.empty_like(self._now)
        if not self._rest.size:
            self._now[0] = samples[-1]
            return samples
        conditioned = np.empty_like(samples)
        now, after, each = self._now, self._next, self._step
        for row, sample in enumerate(samples):
            now[0] = sample
            np.matmul(each, now, out=after)
            conditioned[row] = after[0]
            now, after = after, now
        self._now, self._next = now, after
        return conditioned

    def _hold(self, samples: Float) -> Float:
        """Hold the last voltage of each electrode where none comes; 0 before the first."""
        if are_voltages(samples):
            self.held_v = samples[-1]
            return samples
        held_v = np.zeros(samples.shape[1]) if self.held_v is None else self.held_v
        filled = np.empty_like(samples)
        for row, (values, is_there) in enumerate(zip(samples, is_voltage(samples), strict=True)):
            filled[row] = held_v = np.where(is_there, values, held_v)
        self.held_v = held_v
        return filled
