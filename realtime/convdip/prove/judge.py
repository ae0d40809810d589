"""The judgement: what was heard, compared with what was played."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convdip.demo.verdict import distances_mm
from convdip.feedback.regions import atlas_regions, sizes_of
from convdip.head import Head
from convdip.live.confidence import NEAR_MM
from convdip.prove.listen import Heard, n_lost, places_of
from convdip.prove.outcome import PULSES, SNRS, Delay, Found, Judgement, Samples, Trust
from convdip.prove.score import (
    Float,
    Middle,
    Quartiles,
    Share,
    confusion,
    crossing,
    ranks,
    share_of,
)
from convdip.prove.session import BANDS, FAR_MM, Plan, Trial, feature_name, peak_snrs
from convdip.streams import AGE, PERCENTILES, QUALITY_HZ, PlayedSource

SETTLED_S = 0.15
N_TRUSTS = 3


class Judge:
    """Compares.

    Parameters
    ----------
    plan : Plan
    heard : Heard
    head : Head
    """

    def __init__(self, plan: Plan, heard: Heard, head: Head) -> None:
        self._plan, self._heard, self._head = plan, heard, head
        self._regions = atlas_regions(head)
        self._sizes = np.array(sizes_of(head, [region.dipoles for region in self._regions]))
        centres_m = np.array([region.centroid_m(head) for region in self._regions])
        offsets_m = head.dipoles_m[:, None] - centres_m
        self._to_centres_mm = np.linalg.norm(offsets_m, axis=2) * 1e3
        n = len(self._regions)
        self._powers = {
            band: heard.features.values[:, i * n : (i + 1) * n].astype(float)
            for i, band in enumerate(BANDS)
        }

    def judge(self) -> Judgement:
        """Return everything that is told."""
        pulses = self._plan.pulses
        squares = np.square(self._heard.regions.values.astype(float))
        whole = {
            PULSES: (pulses, squares),
            **{band: (self._plan.rhythms(band), self._powers[band]) for band in BANDS},
        }
        parts = {kind: (some, squares) for kind, some in self._parts(pulses).items() if some}
        dipole_mm, sign_right = self._dipoles(pulses)
        courses = {band: self._courses(band) for band in BANDS}
        return Judgement(
            sfreq_hz=self._plan.sfreq_hz,
            samples=self._samples(),
            found={kind: self._found(*of) for kind, of in (whole | parts).items()},
            dipole_mm=dipole_mm,
            sign_right=sign_right,
            trusts=self._trusts(pulses),
            delays={band: self._delay(band) for band in BANDS},
            across={band: self._across(band) for band in BANDS},
            far_by_chance=float(np.median(self._far(self._plan.trials) @ self._cortex_share())),
            ages_ms=self._ages_ms(),
            regions=tuple(region.name for region in self._regions),
            confusion=np.sum([self._confusion(*of) for of in whole.values()], axis=0),
            courses=courses,
        )

    def _parts(self, pulses: Sequence[Trial]) -> dict[str, list[Trial]]:
        """Return the pulses by sign, and by how much they stand out."""
        snr_of = dict(zip(self._plan.trials, peak_snrs(self._plan, self._head), strict=True))
        parts = {
            "positive": [trial for trial in pulses if trial.source.moment_nam > 0],
            "negative": [trial for trial in pulses if trial.source.moment_nam < 0],
        }
        for kind, (low, high) in SNRS.items():
            parts[kind] = [trial for trial in pulses if low <= snr_of[trial] < high]
        return parts

    def _with_value(
        self, trials: Sequence[Trial], powers: Float
    ) -> tuple[list[Trial], Float, NDArray[np.intp]]:
        """Return the trials that have a value at their last sample, these values, and the truth."""
        rows = powers[[trial.source.last for trial in trials]]
        has_value = np.asarray(np.isfinite(rows).any(axis=1))
        valued = [trial for trial, has in zip(trials, has_value, strict=True) if has]
        return valued, rows[has_value], np.array([trial.region for trial in valued], np.intp)

    def _found(self, trials: Sequence[Trial], powers: Float) -> Found:
        valued, rows, true = self._with_value(trials, powers)
        n_regions, place = len(self._regions), ranks(rows, true)
        dipoles = np.array([trial.source.dipole for trial in valued], np.intp)
        strongest = np.nan_to_num(rows).argmax(axis=1)

        def by_chance(rng: np.random.Generator) -> Float:
            guesses = rng.integers(n_regions, size=dipoles.size)
            return np.asarray(self._to_centres_mm[dipoles, guesses])

        far = share_of(rows, self._sizes, self._far(valued))
        return Found(
            suspended=len(trials) - len(valued),
            strongest=Share.of(place < 1, 1 / n_regions),
            among_three=Share.of(place < 3, 3 / n_regions),
            centre_mm=Middle.of(self._to_centres_mm[dipoles, strongest], by_chance),
            far_share=float(np.median(far)) if far.size else float("nan"),
        )

    def _confusion(self, trials: Sequence[Trial], powers: Float) -> NDArray[np.int64]:
        _, rows, true = self._with_value(trials, powers)
        return confusion(true, np.nan_to_num(rows).argmax(axis=1), len(self._regions))

    def _far(self, trials: Sequence[Trial]) -> NDArray[np.bool_]:
        """Return which regions are far from each source, shape (n_trials, n_regions)."""
        dipoles = [trial.source.dipole for trial in trials]
        is_far: NDArray[np.bool_] = self._to_centres_mm[dipoles] > FAR_MM
        is_far[np.arange(len(trials)), [trial.region for trial in trials]] = False
        return is_far

    def _cortex_share(self) -> Float:
        dipoles = np.array([region.dipoles.size for region in self._regions])
        return np.asarray(dipoles / dipoles.sum())

    def _dipoles(self, pulses: Sequence[Trial]) -> tuple[Middle, Share]:
        """Judge the strongest dipole of each sample of the plateaus."""
        errors, is_right, found = [], [], []
        for trial in pulses:
            played = self._played(trial)
            strongest = self._heard.sources.strongest_during(played, self._plan.sfreq_hz)
            if not strongest.size:
                continue
            signs = self._heard.sources.signs_during(played, self._plan.sfreq_hz)
            errors.append(np.median(distances_mm(strongest, played.dipole, self._head)))
            is_right.append(np.mean(signs == np.sign(played.moment_nam)) > 0.5)
            found.append(strongest[strongest.size // 2])
        cortex, of = np.flatnonzero(self._head.is_cortex), np.array(found, np.int64)

        def by_chance(rng: np.random.Generator) -> Float:
            return distances_mm(of, rng.choice(cortex, of.size), self._head)

        return Middle.of(np.array(errors), by_chance), Share.of(np.array(is_right, bool), 0.5)

    def _trusts(self, pulses: Sequence[Trial]) -> tuple[Trust, ...]:
        """Judge what NAME-Quality says of the plateaus, by thirds of confidence."""
        period_s = 1 / QUALITY_HZ
        stamps = np.array([stamp for stamp, _ in self._heard.quality])
        confidence = np.array([row["confidence"] for _, row in self._heard.quality])
        said, errors = [], []
        for trial in pulses:
            played = self._played(trial)
            strongest = self._heard.sources.strongest_during(played, self._plan.sfreq_hz)
            # Reports whose whole period lies in the plateau.
            within = (played.first_stamp + period_s < stamps) & (stamps < played.last_stamp)
            known = confidence[within & np.isfinite(confidence)]
            if known.size and strongest.size:
                said.append(float(known.mean()))
                errors.append(np.median(distances_mm(strongest, played.dipole, self._head)))
        if not said:
            return ()
        is_right, order = np.array(errors) <= NEAR_MM, np.argsort(said)
        near = np.mean(self._between_mm(pulses) <= NEAR_MM)
        return tuple(
            Trust(float(np.mean(np.array(said)[part])), Share.of(is_right[part], float(near)))
            for part in np.array_split(order, N_TRUSTS)
        )

    def _between_mm(self, pulses: Sequence[Trial]) -> Float:
        """Return how far the cortex is from each source, shape (n_pulses, n_on_cortex)."""
        cortex = np.flatnonzero(self._head.is_cortex)
        return np.array([distances_mm(cortex, one.source.dipole, self._head) for one in pulses])

    def _played(self, trial: Trial) -> PlayedSource:
        """Return a source as the truth stream has it."""
        source, start = trial.source, self._heard.first_stamp
        first, last = (
            start + sample / self._plan.sfreq_hz for sample in (source.first, source.last)
        )
        return PlayedSource(source.dipole, source.region, source.moment_nam, first, last)

    def _of_trial(self, band: str, trial: Trial) -> Float:
        rows = slice(trial.source.first, trial.source.last + 1)
        return np.asarray(self._powers[band][rows, trial.region])

    def _delay(self, band: str) -> Delay:
        n_settled = round(SETTLED_S * self._plan.sfreq_hz)
        courses = [self._of_trial(band, trial) for trial in self._plan.rhythms(band)]
        crossings = np.array(
            [[crossing(course, share, n_settled) for share in (0.5, 0.9)] for course in courses]
        )
        risen = crossings[np.isfinite(crossings).all(axis=1)] / self._plan.sfreq_hz
        stated = self._heard.delays_s[feature_name(band, self._regions[0].name)]
        half, ninety = (Quartiles.of(column) for column in risen.T)
        return Delay(stated, half, ninety, len(risen))

    def _courses(self, band: str) -> Float:
        """Return the features' courses where they rise, from 0 to 1, shape (n_rhythms, n_times)."""
        n_settled = round(SETTLED_S * self._plan.sfreq_hz)
        all_ = [self._of_trial(band, trial) for trial in self._plan.rhythms(band)]
        return np.array(
            [
                (course - course[0]) / (course[-n_settled:].mean() - course[0])
                for course in all_
                if np.isfinite(crossing(course, 0.9, n_settled))
            ]
        )

    def _across(self, band: str) -> dict[str, float]:
        """Return how a source's power in its own region is shared between the bands."""
        at = [(trial.source.last, trial.region) for trial in self._plan.rhythms(band)]
        rows, regions = np.array(at).T
        powers = np.stack([self._powers[other][rows, regions] for other in BANDS])
        shares = powers / powers.sum(axis=0)
        return dict(zip(BANDS, map(float, np.nanmean(shares, axis=1)), strict=True))

    def _samples(self) -> Samples:
        heard, sent = self._heard, self._plan.n_times
        places = places_of(heard.sources.stamps, heard.first_stamp, self._plan.sfreq_hz)
        received = {"Sources": heard.sources.n}
        lost = {"Sources": n_lost(places, sent)}
        for name, course in (("ROI", heard.regions), ("Features", heard.features)):
            received[name], lost[name] = course.received, course.lost
        is_overloaded = any(row["overload"] for _, row in heard.quality)
        return Samples(sent, received, lost, is_overloaded)

    def _ages_ms(self) -> dict[str, dict[str, float]]:
        """Return percentiles from the first source on: before, clients connect."""
        heard, plan = self._heard, self._plan
        since, until = (
            heard.first_stamp + sample / plan.sfreq_hz
            for sample in (plan.trials[0].source.first, plan.n_times)
        )
        # Once a second: a service that is behind reports less often than one that is not.
        stamps = [stamp for stamp, _ in heard.quality]
        last = np.searchsorted(stamps, np.arange(since, until)) - 1
        rows = [heard.quality[max(0, place)][1] for place in last] if stamps else []
        ages = heard.sources.ages_ms(since)
        return {
            "client": {f"p{p}": float(np.percentile(ages, p)) for p in PERCENTILES},
            "service": {
                f"p{p}": float(np.median([row[f"{AGE}_p{p}"] for row in rows])) for p in PERCENTILES
            },
        }
