"""The service that is shown: what its stream of sources says, and its head model."""

from __future__ import annotations

from dataclasses import dataclass

import pylsl

from convdip.bundle import Bundle, load_bundle, shipped_bundles
from convdip.errors import BundleError, ConvDipError, StreamError
from convdip.head import Head
from convdip.streams import Provenance, SourcesDescription, read_sources


@dataclass(frozen=True)
class Service:
    """A service that is shown.

    Attributes
    ----------
    bundle : Bundle
        Whose head model the sources lie on.
    described : SourcesDescription
        What its stream of sources says of itself.
    """

    bundle: Bundle
    described: SourcesDescription

    @property
    def head(self) -> Head:
        """Head model."""
        return self.bundle.head

    @property
    def provenance(self) -> Provenance:
        """Where the sources come from."""
        return self.described.provenance

    @property
    def sfreq_hz(self) -> float:
        """Samples a second."""
        return self.described.sfreq_hz


def understand_service(info: pylsl.StreamInfo, model: str | None, known: Bundle | None) -> Service:
    """Read the description of a stream of sources, and find its head model.

    Parameters
    ----------
    info : pylsl.StreamInfo
        Of the opened inlet.
    model : str or None
        Bundle with the head model; None: the shipped one that the stream names.
    known : Bundle or None
        The one shown before: the same head is not loaded again, so that the picture can stay.

    Raises
    ------
    StreamError
        If the stream cannot be shown on that head.
    """
    described = read_sources(info)
    provenance = described.provenance
    # What a stream says is a name, never a folder to be read.
    by_name = shipped_bundles()
    try:
        if model is None and provenance.model not in by_name:
            raise BundleError(f"no shipped model is that, but {', '.join(by_name)}")
        bundle = load_bundle(by_name[provenance.model] if model is None else model)
    except ConvDipError as error:
        raise StreamError(
            f"{described.name} was made with the model {provenance.model!r}: {error}; give its "
            "bundle as `model`"
        ) from None
    if bundle.card["sha256"]["head.npz"] != provenance.head_sha256:
        raise StreamError(
            f"{described.name} was made with another head model than that of {bundle.name}: "
            "give its bundle as `model`"
        )
    is_right = described.n_dipoles == bundle.head.n_dipoles and described.is_float32
    if not is_right or described.sfreq_hz <= 0:
        raise StreamError(
            f"{described.name} has {described.n_dipoles} channels at {described.sfreq_hz:g} Hz:"
            f" expected {bundle.head.n_dipoles} of float32 at a regular rate, one a dipole of "
            f"{bundle.name}"
        )
    if known is not None and known.card == bundle.card:
        bundle = known
    return Service(bundle, described)
