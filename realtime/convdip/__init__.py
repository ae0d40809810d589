"""Live EEG source imaging: the service's public interface.

>>> from convdip import EegChunk, Imager, load_bundle, match_montage
>>> bundle = load_bundle()
>>> montage = match_montage(labels, units, bundle.head.channels)
>>> frame = Imager(bundle, montage)(EegChunk(samples, timestamps))
"""

from convdip.bundle import Bundle, load_bundle
from convdip.errors import ConvDipError
from convdip.head import Head
from convdip.live.frame import EegChunk, SourceFrame
from convdip.live.imager import Imager
from convdip.live.montage import Montage, match_montage

__all__ = [
    "Bundle",
    "ConvDipError",
    "EegChunk",
    "Head",
    "Imager",
    "Montage",
    "SourceFrame",
    "load_bundle",
    "match_montage",
]
