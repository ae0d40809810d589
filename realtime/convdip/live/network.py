"""Step 4: a bundle's network, by ONNX Runtime.

Reference, interpolation and scaling run in NumPy, beside the ONNX graph (`imager`). One
graph with all of them was tried: 0.78 instead of 0.90 ms a sample, 5.0 instead of 5.4 ms for 64
(two cores of an AMD EPYC, 2026-11-22, samples 2 ms apart). That tenth was left for three
things: what runs is the file that was verified, for any cap and montage; each stage has its
time; and the service needs no library that writes ONNX.
"""

from __future__ import annotations

import logging
import math
import time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convdip.bundle import Bundle
from convdip.errors import BundleError, ProviderError
from convdip.head import Head
from convdip.live.runtime import FixedBatches, Provider, open_session
from convdip.machine import n_cores

log = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "int8"]
Float = NDArray[np.float32]

PIXELS = (7, 11, 1)
# Samples a run of a long recording on the CPU: beyond, little is gained.
CPU_BATCH = 256
CUDA_BATCHES = (1, 2, 4, 8, 16, 32, 64, 1024)
# Largest deviation from fp32, as a share of a map's maximum, at which two maps are the same.
SAME_MAP = 1e-3
# The choice at start: so many runs of each candidate, so far apart.
N_TRIED, TRIED_EVERY_S = 60, 0.002
# More threads take cores from LSL, the amplifier's program and the display: half of the cores
# at most, and only where they are worth it.
THREADS = (1, 2, 4)
THREADS_WORTH = 0.8


class Network:
    """A bundle's network.

    Parameters
    ----------
    model : bytes
        The ONNX file.
    head : Head
        Its electrodes and dipoles are what the model must take and give.
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
            raise ProviderError(f"CUDA is there and fails: {reason}; use --provider cpu") from None

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
        """What was chosen, for people: provider, precision and threads."""
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


def open_network(bundle: Bundle, provider: Provider, precision: Precision) -> Network:
    """Open a bundle's network as it answers one sample soonest on this machine.

    On the CPU, the number of threads and, with ``auto``, the precision are chosen by timing
    them here. ``auto`` never takes weights whose maps differ from fp32's, by more than a
    thousandth of a map's maximum, as was measured when the bundle was made.

    Parameters
    ----------
    bundle : Bundle
    provider : 'auto', 'cuda' or 'cpu'
    precision : 'auto', 'fp32' or 'int8'
        ``int8`` runs on the CPU.

    Raises
    ------
    BundleError
        If the bundle does not hold the precision, or its model is no such network.
    ProviderError
        If CUDA is asked for and cannot be had.
    """
    if precision == "int8":
        if provider == "cuda":
            raise ProviderError("int8 weights run on the CPU alone: use --precision fp32 on CUDA")
        if bundle.int8 is None:
            raise BundleError(
                f"the model {bundle.name} has no int8 weights: make them with 'convdip-train "
                f"precision --model {bundle.path}', or use --precision fp32"
            )
    elif provider != "cpu":
        network = Network(bundle.model, bundle.head, provider)
        if network.provider != "CPUExecutionProvider":
            return network
    models = [] if precision == "int8" else [("fp32", bundle.model)]
    same = bundle.int8_deviation <= SAME_MAP
    if bundle.int8 is not None and (precision == "int8" or (precision == "auto" and same)):
        models.append(("int8", bundle.int8))
    return _quickest(
        [
            Network(model, bundle.head, "cpu", threads, name)
            for name, model in models
            for threads in THREADS
            if threads <= max(1, n_cores() // 2)
        ]
    )


def _quickest(candidates: list[Network]) -> Network:
    """Time networks by turns, paced like the samples of a stream, and return the best.

    Without the pauses the weights would stay in the cache, and all look better than they are.
    """
    times_ms: dict[Network, list[float]] = {network: [] for network in candidates}
    if len(candidates) > 1:
        silence = np.zeros((1, candidates[0].n_inputs), np.float32)
        for _ in range(N_TRIED):
            for network, times in times_ms.items():
                time.sleep(TRIED_EVERY_S)
                start = time.perf_counter()
                network(silence)
                times.append((time.perf_counter() - start) * 1e3)
    for network, times in times_ms.items():
        log.debug("one sample: %s: %.2f ms", network.words, np.median(times or [np.nan]))

    def cost(network: Network) -> float:
        worth = 1.0 if network.threads == 1 else THREADS_WORTH
        return float(np.median(times_ms[network] or [0.0])) / worth

    return min(candidates, key=cost)


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
