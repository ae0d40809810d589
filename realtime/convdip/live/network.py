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
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from convdip.errors import BundleError, ProviderError
from convdip.head import Head
from convdip.live.gains import N_DIRECTIONS, Cortex, Gains, Looks
from convdip.live.patience import GivenUpError, never, within
from convdip.live.runtime import MOST_SAID, FixedBatches, Provider, Switch, open_session, short
from convdip.machine import n_cores

log = logging.getLogger(__name__)

Precision = Literal["auto", "fp32", "int8"]
Float = NDArray[np.float32]

Given = Mapping[str, NDArray[Any]]
T = TypeVar("T")

PIXELS = (7, 11, 1)
# Beside whitened EEG: how many samples it is of, then what `Gains.without` returns.
GIVEN = (
    "n_samples",
    "gains",
    "middle",
    "seen",
    "coarse_gains",
    "coarse_middle",
    "coarse_seen",
    "uniform",
    "rank",
    "is_cortex",
    "neighbours",
    "near",
    "near_weights",
)
# Batch for long recordings on the CPU: larger ones gain little.
CPU_BATCH = 256
# Of a network that is given gains: what it computes of so many samples stays in the cache.
GAINS_BATCH = 16
# What a network that is given gains gives of a window.
OF_WINDOW = ("amplitude", "probability")
# Time to open a session and run it for the first time: on two busy cores, the shipped ones take one
# second.
LOAD_S = 30.0
FLOAT = "tensor(float)"
# Patches of more orders, larger ones or more dipoles to begin with would take minutes.
MOST_ORDERS, MOST_ORDER, MOST_COARSE = 8, 20, 5000
CUDA_BATCHES = (1, 2, 4, 8, 16, 32, 64, 1024)
# One that fails more often than so many times in so long is broken, not unlucky.
MOST_FAILURES, FAILURES_S = 3, 600.0


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
    stop : callable
        Asked while it is loaded; if true, that is given up.

    Attributes
    ----------
    takes : 'topography', 'eeg' or 'factor'
        What the input is: the 7×11 image, the potentials of the model's electrodes, or the whitened
        EEG of any electrodes, beside which it is given their gains.
    cortex : Cortex or None
        What it looks at of the head, if it is given gains.
    provider : str
        The execution provider in use, by ONNX Runtime's name.
    threads, precision
        As given.
    n_inputs : int
        Values of one sample of the input.
    of_own : ndarray, shape (n_electrodes, n_inputs)
        From average-referenced volts at the head's own electrodes to the input.
    batch, workers : int
        How a long recording is best imaged: so many samples a run, so many runs at a time.
    on_failure : callable or None
        Set it, and a run that fails, as on a GPU that is lost, ends nothing: this is called with
        what went wrong, from the thread of that run, the network is opened anew on the CPU, and
        the run is done again. Not with ``provider='cuda'``, nor more than three times in ten
        minutes.

    Raises
    ------
    BundleError
        If the model cannot be loaded or run, takes too long, or has other inputs or outputs.
    ProviderError
        If CUDA is asked for and cannot be had, or fails.
    GivenUpError
        If it was stopped.
    """

    on_failure: Callable[[str], None] | None = None
    _bound: FixedBatches | None = None
    _options: Any = None

    def __init__(
        self,
        model: bytes,
        head: Head,
        provider: Provider = "auto",
        threads: int = 1,
        precision: str = "fp32",
        stop: Callable[[], bool] = never,
    ) -> None:
        self.threads, self.precision = threads, precision
        self._model, self._head = model, head
        self._is_cuda_alone = provider == "cuda"
        self._failures_s: deque[float] = deque(maxlen=MOST_FAILURES)
        self._failed: list[Any] = []
        self._failing = threading.Lock()
        try:
            self._load(lambda: self._open(model, head, provider), stop)
            if self._bound is not None:  # a CUDA graph belongs to the thread that recorded it
                self._warm_up()
        except (BundleError, ProviderError, GivenUpError):
            raise
        except Exception as error:
            if self._bound is None:  # gains of a head that is none, say
                what = f"the model cannot be opened and run once: {short(error)}"
                raise BundleError(what) from None
            log.debug("CUDA graphs: %s", error)
            self._open_without_graphs(model, head, provider, stop)

    def _load(self, work: Callable[[], None], stop: Callable[[], bool]) -> None:
        """Open, as long as that may take."""
        self._switch = Switch()
        try:
            within(LOAD_S, work, self.end, stop)
        except TimeoutError as error:
            raise BundleError(
                f"the model cannot be opened and run once: {error}; does it loop for ever?"
            ) from None

    def _open_without_graphs(
        self, model: bytes, head: Head, provider: Provider, stop: Callable[[], bool]
    ) -> None:
        try:
            self._load(lambda: self._open(model, head, provider, cuda_graphs=False), stop)
        except (BundleError, GivenUpError):
            raise
        except Exception as error:
            raise ProviderError(f"CUDA fails here: {short(error)}; use `provider='cpu'`") from None

    def _open(
        self, model: bytes, head: Head, provider: Provider, *, cuda_graphs: bool = True
    ) -> None:
        self._bound, switch = None, self._switch
        self._session = open_session(
            model, provider, self.threads, cuda_graphs=cuda_graphs, switch=switch
        )
        self.provider: str = self._session.get_providers()[0]
        self.takes, self._sample_shape = _check_ports(self._session, head)
        if self.takes == "factor" and self.provider == "CUDAExecutionProvider":
            # Replayed, ONNX Runtime's inverse of a matrix reads memory that is no longer there, and
            # nothing runs on the GPU after that (1.31.1 on an H100).
            self._session = open_session(
                model, provider, self.threads, cuda_graphs=False, switch=switch
            )
        self.n_inputs, self._n_dipoles = math.prod(self._sample_shape), head.n_dipoles
        self.cortex, self._of_head = None, dict[str, NDArray[Any]]()
        own: Float = np.eye(head.n_electrodes, dtype=np.float32)
        self.of_own = head.interpolation.T if self.takes == "topography" else own
        if self.takes == "factor":
            self.cortex = Cortex(head, _looks(self._session))
            gains = Gains(self.cortex, head.channels, head.electrodes_m)
            matrix, _, self._of_head = gains.without(np.zeros(head.n_electrodes, bool))
            self.of_own = matrix[:, :N_DIRECTIONS]
        self.batch = CPU_BATCH if self.cortex is None else GAINS_BATCH
        self.workers = n_cores()
        sizes: tuple[int, ...] = (1, self.batch)
        if self.provider == "CUDAExecutionProvider":
            # What a network computes of gains for a thousand samples takes gigabytes.
            sizes = CUDA_BATCHES if self.cortex is None else CUDA_BATCHES[:-1]
            self.batch, self.workers = sizes[-1], 1
            self._bound = FixedBatches(
                self._session,
                self.takes,
                self._sample_shape,
                head.n_dipoles,
                sizes,
                "cuda",
                self._of_head,
                switch,
            )
        self._sizes = sizes
        with self.breakable():
            self._warm_up()

    def _warm_up(self) -> None:
        """Run each size once: the first run is slow, and on CUDA it records the graph."""
        for size in self._sizes:
            shape = size, *self._sample_shape
            out = np.empty((size, self._n_dipoles), np.float32)
            self._run(np.zeros(shape, np.float32), out, self._of_head)

    @contextmanager
    def breakable(self) -> Iterator[None]:
        """Let `end` break what runs; not always, since it costs each run 0.04 ms."""
        self._options = self._switch.of_running()
        try:
            yield
        finally:
            self._options = None

    def end(self) -> None:
        """Break what is loaded or runs breakably, and load nothing any more; from any thread."""
        self._switch.off()

    @property
    def words(self) -> str:
        """Provider, precision and threads, for people."""
        if self.provider != "CPUExecutionProvider":
            return self.provider
        return f"{self.provider}, {self.precision}, {self.threads} thread{'s'[: self.threads - 1]}"

    def __call__(
        self, inputs: Float, out: Float | None = None, given: Given | None = None
    ) -> Float:
        """Return source maps without a scale.

        Parameters
        ----------
        inputs : ndarray, shape (n_times, n_inputs)
            Volts, or whitened EEG.
        out : ndarray of float32, shape (n_times, n_dipoles), optional
            C-contiguous; where the maps are written. Without it, into a new array.
        given : mapping of str to ndarray, optional
            What the network is given beside them, from `Gains.without`; without it, the gains of
            the head's own electrodes.

        Returns
        -------
        maps : ndarray, shape (n_times, n_dipoles)
        """
        given = given or self._of_head
        # Below, ONNX Runtime gets addresses alone: what they point to must be what it takes it for.
        samples = np.ascontiguousarray(inputs, np.float32).reshape(-1, *self._sample_shape)
        shape = len(samples), self._n_dipoles
        if out is None:
            out = np.empty(shape, np.float32)
        elif not (out.flags.c_contiguous and out.shape == shape and out.dtype == np.float32):
            raise ValueError(
                f"out is {out.dtype} {out.shape}: expected C-contiguous float32 {shape}"
            )
        return self._surely(lambda: self._run(samples, out, given), len(out))

    def _run(self, samples: Float, out: Float, given: Given) -> Float:
        if self._bound is not None:
            return self._bound(samples, out, given)
        feeds = {self.takes: samples, **given}
        if self.cortex is not None:
            feeds["n_samples"] = np.ones(len(samples), np.float32)
        binding = self._session.io_binding()
        for name, array in feeds.items():
            assert array.flags.c_contiguous
            binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        binding.bind_output("sources", "cpu", 0, np.float32, out.shape, out.ctypes.data)
        self._session.run_with_iobinding(binding, self._options)
        return out

    def window(
        self, factor: Float, n_samples: float, given: Given | None = None
    ) -> tuple[Float, Float]:
        """Return amplitudes of a window, without a scale, and probabilities.

        Parameters
        ----------
        factor : ndarray, shape (N_DIRECTIONS, N_DIRECTIONS)
            A square root of the covariance of the whitened EEG.
        n_samples : float
            Independent ones in the window.
        given : mapping of str to ndarray, optional
            As for maps.

        Returns
        -------
        amplitude, probability : ndarray, shape (n_dipoles,)
        """
        length = np.array([n_samples], np.float32)
        feeds = {"factor": factor[None], "n_samples": length, **(given or self._of_head)}
        (amplitude,), (probability,) = self._surely(
            lambda: self._session.run(list(OF_WINDOW), feeds, self._options), 1
        )
        return amplitude, probability

    def _surely(self, run: Callable[[], T], n: int) -> T:
        """Do a run of so many samples; once more, on another session, where it fails and may."""
        while True:
            session = self._session
            try:
                return run()
            except Exception as error:  # whatever a file holds, or a GPU does
                what = f"the model cannot be run on {n} samples: {short(error)}"
            self._open_anew(session, what)

    def _open_anew(self, failed: Any, what: str) -> None:
        """Replace the session that failed, or raise what happened."""
        is_cuda = self.provider == "CUDAExecutionProvider"
        if self.on_failure is None or (is_cuda and self._is_cuda_alone):
            raise ProviderError(f"CUDA fails: {what}") if is_cuda else BundleError(what)
        with self._failing:
            if self._session is not failed:  # another thread's run failed on it, too
                return
            now_s = time.monotonic()
            often = len(self._failures_s) == MOST_FAILURES
            if often and now_s - self._failures_s[0] < FAILURES_S:
                raise BundleError(f"{what}; {MOST_FAILURES} times in the last minutes before")
            self._failures_s.append(now_s)
            self.on_failure(what)
            # Kept: what a GPU that is lost holds cannot be freed.
            self._failed.append((self._session, self._bound))
            self._load(lambda: self._open(self._model, self._head, "cpu"), never)


def _check_ports(session: Any, head: Head) -> tuple[str, tuple[int, ...]]:
    """Return the name of the input and the shape of one sample of it."""
    ins, outs = (
        {port.name: tuple(port.shape) for port in ports}
        for ports in (session.get_inputs(), session.get_outputs())
    )
    types = {port.name: port.type for port in (*session.get_inputs(), *session.get_outputs())}
    # A size that is a name or nothing is free: such a network takes the dipoles of any head.
    n_dipoles = (outs.get("sources") or (0,))[-1]
    gives_it = n_dipoles == head.n_dipoles or not isinstance(n_dipoles, int)
    for takes, shape, others, gives in (
        ("topography", PIXELS, (), ()),
        ("eeg", (head.n_electrodes,), (), ()),
        ("factor", (N_DIRECTIONS, 1), GIVEN, OF_WINDOW),
    ):
        is_right = set(ins) == {takes, *others} and {"sources", *gives} <= set(outs)
        if gives_it and is_right and {types[name] for name in (takes, "sources")} == {FLOAT}:
            n_samples, *sizes = ins[takes] or (0,)
            fits = all(a == b or not isinstance(a, int) for a, b in zip(sizes, shape, strict=False))
            if fits and len(sizes) == len(shape) and not isinstance(n_samples, int):
                return takes, shape
    raise BundleError(
        f"the model takes {_said(ins)} and gives {_said(outs)}: expected one input, 'topography' "
        f"(n, 7, 11, 1) or 'eeg' (n, {head.n_electrodes}), or 'factor' (n, {N_DIRECTIONS}, m) and "
        f"with it {', '.join(GIVEN)}; and 'sources' (n, {head.n_dipoles}), n being free, beside "
        f"'factor' also {' and '.join(OF_WINDOW)}; all of float32"
    )


def _said(ports: Mapping[str, object]) -> str:
    return str(dict(ports))[:MOST_SAID]


def _looks(session: Any) -> Looks:
    """Return what a network that is given gains asks of them, from its file's own notes."""
    notes = session.get_modelmeta().custom_metadata_map
    try:
        orders = tuple(int(order) for order in notes["orders"].split())
        looks = Looks(orders, int(notes["coarse"]))
        is_right = 1 <= looks.n_coarse <= MOST_COARSE and 1 <= len(orders) <= MOST_ORDERS
        if not (is_right and all(1 <= a < b for a, b in pairwise((*orders, MOST_ORDER)))):
            raise ValueError
    except (KeyError, ValueError):
        raise BundleError(
            f"the model is given gains, but its metadata is {_said(notes)}: expected 'orders' of "
            "patches, such as '1 3 6', and the number of 'coarse' dipoles"
        ) from None
    return looks
