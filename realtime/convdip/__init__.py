"""Live EEG source imaging: EEG in, the moments of 5,124 cortical dipoles out.

Samples in memory, without LSL::

    imager = convdip.Imager(labels, unit="microvolts")
    frame = imager(samples)  # (n_times, n_channels) → frame.moments_nam (n_times, 5124)

A signal, filtered and watched as in the service; ``filters`` by default takes out drift and mains::

    alpha = convdip.Filters(band_hz=(8, 12))
    imager = convdip.Imager(labels, unit="microvolts", sfreq_hz=500, filters=alpha)

A stream on the network, imaged in this process::

    for frame in convdip.frames(input="MyAmplifier"):
        ...

How active a region is, for a loop of one's own::

    features = convdip.Features(head, [convdip.Feature("alpha", ("cuneus",))], sfreq_hz=500)
    values, why = features(frame)

The same, published over LSL as by ``convdip run``::

    with convdip.Service(input="MyAmplifier", name="Lab", on_frame=feedback) as service:
        service.wait()
"""

from convdip.bundle import Bundle, load_bundle
from convdip.errors import ConvDipError
from convdip.feedback.features import Feature, Features
from convdip.frame import Flags, Frame
from convdip.head import Head
from convdip.live.conditioning import Filters
from convdip.live.frames import frames
from convdip.live.imager import Imager
from convdip.live.service import Service
from convdip.live.summary import Summary

__all__ = [
    "Bundle",
    "ConvDipError",
    "Feature",
    "Features",
    "Filters",
    "Flags",
    "Frame",
    "Head",
    "Imager",
    "Service",
    "Summary",
    "frames",
    "load_bundle",
]
