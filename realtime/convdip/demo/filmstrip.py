"""The demo as a picture file, for machines without a screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from convdip.demo.verdict import distances_mm
from convdip.display.cortex import DARK, THRESHOLD, CortexPicture
from convdip.display.limits import round_up
from convdip.head import Head
from convdip.streams import PlayedSource

N_PICTURES = 6
N_COLUMNS = 3
WIDTH, HEIGHT, CAPTION = 420, 300, 46
RING = 9
TEXT = (232, 232, 230)


class Filmstrip:
    """Keeps one source map for each of the first sources, from the middle of its activity.

    Attributes
    ----------
    maps : list of (PlayedSource, ndarray of shape (n_dipoles,))
    """

    def __init__(self) -> None:
        self.maps: list[tuple[PlayedSource, NDArray[np.float32]]] = []
        self._waiting: list[PlayedSource] = []

    def announce(self, source: PlayedSource) -> None:
        """Add a source whose map is to be kept."""
        if len(self.maps) + len(self._waiting) < N_PICTURES:
            self._waiting.append(source)

    def see(self, moments_nam: NDArray[np.float32], stamps: NDArray[np.float64]) -> None:
        """Pick the maps to be kept from a chunk.

        Parameters
        ----------
        moments_nam : ndarray, shape (n_times, n_dipoles)
        stamps : ndarray, shape (n_times,)
        """
        while self._waiting:
            source = self._waiting[0]
            middle_s = (source.first_stamp + source.last_stamp) / 2
            if stamps[-1] < middle_s:
                return
            row = min(int(np.searchsorted(stamps, middle_s)), len(stamps) - 1)
            self.maps.append((self._waiting.pop(0), moments_nam[row].copy()))

    def save(self, head: Head, path: Path) -> None:
        """Draw all maps on one scale, each with the place of its simulated source."""
        dipoles = [int(head.strongest(moments_nam)) for _, moments_nam in self.maps]
        peaks_nam = [
            abs(float(m[dipole])) for (_, m), dipole in zip(self.maps, dipoles, strict=True)
        ]
        limit_nam = round_up(max(peaks_nam))
        n_rows = -(-len(self.maps) // N_COLUMNS)
        size = (WIDTH * N_COLUMNS, (HEIGHT + CAPTION) * n_rows)
        sheet = Image.new("RGB", size, tuple(round(c * 255) for c in DARK.background))
        pen = ImageDraw.Draw(sheet)
        font = ImageFont.load_default(14)
        picture = CortexPicture(head, WIDTH, HEIGHT)
        for number, (source, moments_nam) in enumerate(self.maps):
            row, column = divmod(number, N_COLUMNS)
            left, top = column * WIDTH, row * (HEIGHT + CAPTION)
            strength = (np.abs(moments_nam) / limit_nam).astype(np.float32)
            sheet.paste(Image.fromarray(picture.draw(strength)), (left, top + CAPTION))
            for x, y in picture.places_of(source.dipole):
                at = (left + x, top + CAPTION + y)
                for colour, width in (("black", 4), ("white", 2)):
                    pen.circle(at, RING, outline=colour, width=width)
            error_mm = distances_mm(np.array([dipoles[number]]), source.dipole, head)[0]
            peak = peaks_nam[number] / limit_nam
            words = f"{source.region}: error {error_mm:.0f} mm, peak {peak:.0%} of scale"
            pen.text((left + 10, top + 8), words, fill=TEXT, font=font)
        note = f"ring: simulated source; colours: {THRESHOLD:.0%} to 100% of {limit_nam:g} nAm"
        pen.text((10, CAPTION - 20), note, fill=(141, 146, 154), font=font)
        sheet.save(path)
