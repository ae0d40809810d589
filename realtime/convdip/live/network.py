"""Step 7: a bundle's network, by ONNX Runtime.

Reference, interpolation and scaling run in NumPy, beside the ONNX graph (`imager`). One
graph with all of them was tried: 0.78 instead of 0.90 ms a sample, 5.0 instead of 5.4 ms for 64
(two cores of an AMD EPYC, 2026-11-22, samples 2 ms apart). That tenth was left for three
things: what runs is the file that was verified, for any cap and montage; each stage has its
time; and the service needs no library that writes ONNX.
"""

from __future__ import annotations

import logging
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convdip.errors import BundleError, ProviderError
from convdip.head import Head
from convdip.live.runtime import FixedBatches, Provider, open_session
from convdip.machine import n_cores

log = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "int8"]
Float = NDArray[np.float32]

PIXELS = (7, 11, 1)
# Batch for long recordings on the CPU: larger ones gain little.
CPU_BATCH = 256
CUDA_BATCHES = (1, 2, 4, 8, 16, 32, 64, 1024)


class Network:
    """A bundle's network.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    head : Head
        The model must match its electrodes and dipoles.
    provider : 'auto', 'cuda' or 'cpu'
        ``auto`` takes CUDA where it works and says so where it does not.
    threads : int
        Of one run on the CPU.
    precision : 'fp32' or 'int8'
        Of the weights in ``model``.

    Attributes
    ----------
    takes : 'topography' or 'eeg'
        What the input is: the 7×11 image or the electrodes' potentials.
    provider : str
        The execution provider in use, by ONNX Runtime's name.
    threads, precision
        As given.
    n_inputs : int
        Values of one sample of the input.
    batch, workers : int
        How a long recording is best imaged: so many samples a run, so many runs at a time.

    Raises
    ------
    BundleError
        If the model cannot be loaded or has other inputs or outputs.
    ProviderError
        If CUDA is asked for and cannot be had.
    """

    def __init__(
        self,
        model: bytes,
        head: Head,
        provider: Provider = "auto",
        threads: int = 1,
        precision: str = "fp32",
    ) -> None:
        self.threads, self.precision = threads, precision
        try:
            self._open(model, head, provider)
        except Exception as error:
            if self._bound is None:
                raise
            log.debug("CUDA graphs: %s", error)
            self._open_without_graphs(model, head, provider)

    def _open_without_graphs(self, model: bytes, head: Head, provider: Provider) -> None:
        try:
            self._open(model, head, provider, cuda_graphs=False)
        except BundleError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise ProviderError(f"CUDA fails here: {reason}; use `provider='cpu'`") from None

    def _open(
        self, model: bytes, head: Head, provider: Provider, *, cuda_graphs: bool = True
    ) -> None:
        self._bound: FixedBatches | None = None
        self._session = open_session(model, provider, self.threads, cuda_graphs=cuda_graphs)
        self.provider: str = self._session.get_providers()[0]
        self.takes, self._sample_shape = _check_ports(self._session, head)
        self.n_inputs, self._n_dipoles = math.prod(self._sample_shape), head.n_dipoles
        self.batch, self.workers = CPU_BATCH, n_cores()
        sizes: tuple[int, ...] = (1, CPU_BATCH)
        if self.provider == "CUDAExecutionProvider":
            self.batch, self.workers = CUDA_BATCHES[-1], 1
            sizes = CUDA_BATCHES
            self._bound = FixedBatches(
                self._session, self.takes, self._sample_shape, head.n_dipoles, sizes, "cuda"
            )
        # The first run of a size is slow, and on CUDA it records the graph.
        for size in sizes:
            self(np.zeros((size, self.n_inputs), np.float32))

    @property
    def words(self) -> str:
        """Provider, precision and threads, for people."""
        if self.provider != "CPUExecutionProvider":
            return self.provider
        return f"{self.provider}, {self.precision}, {self.threads} thread{'s'[: self.threads - 1]}"

    def __call__(self, inputs: Float, out: Float | None = None) -> Float:
        """Return source maps without a scale.

        Parameters
        ----------
        inputs : ndarray, shape (n_times, 77) or (n_times, n_electrodes)
            Volts.
        out : ndarray of float32, shape (n_times, n_dipoles), optional
            C-contiguous; where the maps are written. Without it, into a new array.

        Returns
        -------
        maps : ndarray, shape (n_times, n_dipoles)
        """
        # Below, ONNX Runtime gets addresses alone: what they point to must be what it takes it for.
        samples = np.ascontiguousarray(inputs, np.float32).reshape(-1, *self._sample_shape)
        shape = len(samples), self._n_dipoles
        if out is not None and not (
            out.flags.c_contiguous and out.shape == shape and out.dtype == np.float32
        ):
            raise ValueError(
                f"out is {out.dtype} {out.shape}: expected C-contiguous float32 {shape}"
            )
        if self._bound is not None:
            return self._bound(samples, np.empty(shape, np.float32) if out is None else out)
        if out is None:
            maps: Float = self._session.run(["sources"], {self.takes: samples})[0]
            return maps
        binding = self._session.io_binding()
        for bind, name, array in (
            (binding.bind_input, self.takes, samples),
            (binding.bind_output, "sources", out),
        ):
            bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        return out


def _check_ports(session: Any, head: Head) -> tuple[str, tuple[int, ...]]:
    """Return the name of the input and the shape of one sample of it."""
    ports = {
        kind: [(port.name, tuple(port.shape)) for port in ports]
        for kind, ports in (("in", session.get_inputs()), ("out", session.get_outputs()))
    }
    shapes = {"topography": PIXELS, "eeg": (head.n_electrodes,)}
    if len(ports["in"]) == len(ports["out"]) == 1:
        (takes, (n_in, *shape)), (gives, (*_, n_dipoles)) = ports["in"][0], ports["out"][0]
        is_free = not isinstance(n_in, int)  # a name or nothing: any number of samples
        takes_it = tuple(shape) == shapes.get(takes)
        gives_it = gives == "sources" and n_dipoles == head.n_dipoles
        if is_free and takes_it and gives_it:
            return takes, shapes[takes]
    raise BundleError(
        f"the model has {ports}: expected one input, 'topography' (n, 7, 11, 1) or 'eeg' "
        f"(n, {head.n_electrodes}), and one output, 'sources' (n, {head.n_dipoles}), n being free"
    )
