"""Live EEG source imaging: the service's public interface.

>>> from realtime import EegChunk, Imager, load_bundle, match_montage
>>> bundle = load_bundle()
>>> montage = match_montage(labels, units, bundle.head.channels)
>>> frame = Imager(bundle, montage)(EegChunk(samples, timestamps))
"""

from realtime.bundle import Bundle, load_bundle
from realtime.errors import ConvDipError
from realtime.frame import EegChunk, SourceFrame
from realtime.head import Head
from realtime.imager import Imager
from realtime.montage import Montage, match_montage

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
