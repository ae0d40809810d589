"""What stands beside the cortex: EEG, scalp, electrodes, regions, courses and spectra."""

from __future__ import annotations

import numpy as np

from convdip.display.feed import Feed
from convdip.display.maps import SPECTRUM_S, Maps
from convdip.display.panels import course, eeg
from convdip.display.panels.course import Course
from convdip.display.panels.eeg import EegStrip
from convdip.display.panels.electrodes import ElectrodeList
from convdip.display.panels.regions import RegionList
from convdip.display.panels.scalp import ScalpWidget
from convdip.display.panels.spectrum import SpectrumPlot
from convdip.display.readings import RANKED_S
from convdip.display.spectrum import Spectrum, spectrum_of
from convdip.display.theme import Theme
from convdip.head import Head

# EEG older than this at the moment shown is not shown as that moment's.
EEG_GAP_S = 0.25
ALL = "all electrodes"


class Beside:
    """Shows of a feed what belongs to the moment that the cortex shows.

    Parameters
    ----------
    feed : Feed
    maps : Maps
    theme : Theme

    Attributes
    ----------
    strip : EegStrip
    scalp : ScalpWidget
    electrodes : ElectrodeList
    regions : RegionList
    course : Course
        Of the pinned region; of the feedback while none is.
    spectrum : SpectrumPlot
        Of the electrode under the mouse, or of all, and of the pinned region.
    pinned : int or None
        Index of the pinned region.
    """

    def __init__(self, feed: Feed, maps: Maps, theme: Theme) -> None:
        self._feed, self._maps = feed, maps
        self.pinned: int | None = None
        self.strip, self.scalp = EegStrip(theme), ScalpWidget(theme)
        self.electrodes, self.regions = ElectrodeList(theme), RegionList(theme)
        self.course, self.spectrum = Course(theme), SpectrumPlot(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for panel in (
            self.strip,
            self.scalp,
            self.electrodes,
            self.regions,
            self.course,
            self.spectrum,
        ):
            panel.set_theme(theme)

    @property
    def _head(self) -> Head:
        assert self._feed.service is not None
        return self._feed.service.head

    def show_service(self) -> None:
        """Show the electrodes of a service that has just been opened."""
        self.scalp.show_head(self._head)
        self.strip.show_head(self._head, self._feed.sfreq_hz)

    def show(self, time_s: float, *, is_signed: bool, is_paused: bool, is_grey: bool) -> None:
        """Show a moment.

        Parameters
        ----------
        time_s : float
        is_signed : bool
            Show moments with their signs.
        is_paused : bool
            It is not the newest.
        is_grey : bool
            It is not of the present, though not paused either.
        """
        # What was told just now may be newer than the newest sample.
        self._show_electrodes(time_s if is_paused else np.inf, is_grey=is_grey)
        self._show_eeg(time_s, is_grey=is_grey)
        self._show_regions(time_s, is_grey=is_grey)
        self._show_course(time_s, is_signed=is_signed)

    def _show_electrodes(self, told_s: float, *, is_grey: bool) -> None:
        feed = self._feed
        interpolated = feed.interpolated(told_s)
        self.scalp.show_interpolated(interpolated)
        self.strip.show_interpolated(interpolated)
        bad = feed.bad_between(told_s, told_s)
        self.electrodes.show_bad(bad, feed.n_electrodes, is_grey=is_grey)

    def _show_eeg(self, time_s: float, *, is_grey: bool) -> None:
        feed, first_s = self._feed, time_s - eeg.SPAN_S
        self.strip.show_times(
            feed.reports.marks.between(first_s, time_s),
            feed.spans(first_s, time_s),
            feed.bad_between(first_s, time_s),
            feed.markers.words,
        )
        eeg_uv, stamps = feed.eeg.between(first_s, time_s)
        is_there = len(stamps) and time_s - stamps[-1] < EEG_GAP_S
        now_uv = eeg_uv[-1] if is_there else None
        self.scalp.show_eeg(now_uv, eeg_uv, stamps, time_s, feed.eeg_state, is_grey=is_grey)
        self.strip.show_eeg(eeg_uv, stamps, time_s, is_grey=is_grey)

    def _show_regions(self, time_s: float, *, is_grey: bool) -> None:
        """Rank the regions of what the cortex shows."""
        lately, _ = self._feed.regions_of(self._maps.band_hz).between(time_s - RANKED_S, time_s)
        if len(lately):
            mean_nam, limit_nam = lately.mean(axis=0), self._maps.limit.limit_nam
            self.regions.show_means(
                self._head.atlas_names, mean_nam, limit_nam, self._maps.band_hz, is_grey=is_grey
            )

    def _show_course(self, time_s: float, *, is_signed: bool) -> None:
        feed, band_hz, pinned = self._feed, self._maps.band_hz, self.pinned
        if pinned is None:
            rows, stamps = feed.kept.feedback.between(time_s - course.SPAN_S, time_s)
            z, _ = feed.kept.z.between(time_s - RANKED_S, time_s)
            self.course.show_feedback(rows, stamps, time_s, feed.feature, z[:, 0])
            return
        is_signed = is_signed and band_hz is None
        kept = feed.regions_of(band_hz, is_signed=is_signed)
        means_nam, stamps = kept.between(time_s - course.SPAN_S, time_s)
        baseline_nam = None
        if not is_signed and (map_nam := self._maps.limit.baseline_nam) is not None:
            baseline_nam = float(feed.kept.means_of(map_nam)[pinned])
        self.course.show_region(
            self._head.atlas_names[pinned],
            means_nam[:, pinned],
            stamps,
            time_s,
            band_hz=band_hz,
            is_signed=is_signed,
            baseline_nam=baseline_nam,
        )

    def show_spectra(self, time_s: float) -> None:
        """Show the spectra of the seconds before a moment."""
        feed, under, sfreq_hz = self._feed, self.scalp.hovered, self._feed.sfreq_hz
        eeg_uv, _ = feed.eeg.between(time_s - SPECTRUM_S, time_s)
        spectra: dict[str, Spectrum | None] = {}
        if under in self._head.channels:
            number = self._head.channels.index(under)
            spectra[under] = spectrum_of(eeg_uv[:, [number]], sfreq_hz)
        else:
            of_all = spectrum_of(eeg_uv, sfreq_hz)
            spectra[ALL] = None if of_all is None else of_all.mean
        if self.pinned is not None:
            means_nam, _ = feed.signed_regions.between(time_s - SPECTRUM_S, time_s)
            own = spectrum_of(means_nam[:, [self.pinned]], sfreq_hz)
            spectra[self._head.atlas_names[self.pinned]] = own
        self.spectrum.show_band(self._maps.band_hz)
        self.spectrum.show_spectra(spectra)
