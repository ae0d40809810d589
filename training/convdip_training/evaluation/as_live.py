"""A model as the live service runs it."""

from __future__ import annotations

from convdip.bundle import Bundle
from convdip.live.imager import Imager
from convdip.live.network import Network


def imager_of(bundle: Bundle, model: bytes | None = None) -> Imager:
    """Return an imager of samples in volts at the model's electrodes, on the CPU in one thread.

    Parameters
    ----------
    bundle : Bundle
    model : bytes, optional
        An ONNX file to use instead of the bundle's.
    """
    network = Network(bundle.model if model is None else model, bundle.head, "cpu")
    return Imager(bundle.head.channels, "volts", model=bundle, network=network)
