"""An ONNX Runtime session: the processor it really runs on, and how arrays get there."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from convdip.errors import BundleError, ProviderError
from convdip.text import shown

log = logging.getLogger(__name__)

Provider = Literal["auto", "cuda", "cpu"]
Float = NDArray[np.float32]

# TF32 would round inputs to 10 bits: the GPU's maps must be the CPU's maps. The default search
# for a convolution's algorithm would begin anew at each batch size.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


# Of an error of ONNX Runtime, which may name all that a file holds.
MOST_SAID = 300
# Of an error of CUDA, behind the signature of the function that saw it.
_OF_GPU = re.compile(r"CU\w+ failure \d+: [^;]*")


class Switch:
    """Ends what ONNX Runtime does with a model, from any thread."""

    def __init__(self) -> None:
        self._loading: list[Any] = []
        self._running: list[Any] = []
        self._is_off = False

    def of_loading(self, threads: int) -> Any:
        """Return options to open a session with."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning thread is faster but burns a core all day.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        # From bytes, ONNX Runtime would take weights from files of the folder that the program was
        # started in: in this one there are none.
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", f"{os.devnull}/none"
        )
        self._loading.append(options)
        if self._is_off:
            self.off()
        return options

    def of_running(self) -> Any:
        """Return options to run a session with: what goes wrong is raised, and not logged too."""
        options = ort.RunOptions()
        options.log_severity_level = 4
        self._running.append(options)
        if self._is_off:
            self.off()
        return options

    def off(self) -> None:
        """End loading and running: what was, and what is begun from now on."""
        self._is_off = True
        for options in self._loading:
            options.set_load_cancellation_flag(True)
        for options in self._running:
            options.terminate = True


def open_session(
    model: bytes,
    provider: Provider,
    threads: int,
    *,
    cuda_graphs: bool = True,
    switch: Switch | None = None,
) -> Any:
    """Open a session on the processor that was asked for.

    Parameters
    ----------
    model : bytes
        The ONNX file. References to any other file are refused.
    provider : 'auto', 'cuda' or 'cpu'
        ``auto`` takes CUDA where it works and says so where it does not.
    threads : int
        Of one run on the CPU.
    cuda_graphs : bool
        Whether CUDA may record the kernels of a batch and replay them at once.
    switch : Switch, optional
        What ends it early.

    Raises
    ------
    BundleError
        If the model cannot be loaded.
    ProviderError
        If CUDA is asked for and cannot be had.
    """
    options = (switch or Switch()).of_loading(threads)
    if provider != "cpu":
        session = _open_cuda(model, options, cuda_graphs)
        if session is not None:
            return session
        if provider == "cuda":
            raise ProviderError(
                "no CUDA: ONNX Runtime found no usable NVIDIA GPU with CUDA 13 and cuDNN 9 (the "
                "extra 'gpu' brings the libraries); use `provider='cpu'` or `provider='auto'`"
            )
        log.info("running on the CPU (no usable CUDA GPU)")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"ONNX Runtime cannot load the model: {short(error)}") from None


def short(error: Exception) -> str:
    """Return what ONNX Runtime says of a model, as a part of one line."""
    said = " ".join(str(error).split())
    of_gpu = _OF_GPU.search(said)
    return shown(said if of_gpu is None else of_gpu[0].strip(), MOST_SAID)


def _open_cuda(model: bytes, options: Any, cuda_graphs: bool) -> Any | None:
    """Return a session that really runs on CUDA, or None.

    ONNX Runtime falls back to the CPU with no more than a line on stderr, so what counts is
    what the session says afterwards.
    """
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        ort.preload_dlls()
    ort.set_default_logger_severity(4)
    try:
        # A model with a node that must run on the CPU cannot be recorded.
        for graph in ("1", "0") if cuda_graphs else ("0",):
            cuda = ("CUDAExecutionProvider", {**CUDA_OPTIONS, "enable_cuda_graph": graph})
            try:
                session = ort.InferenceSession(model, options, providers=[cuda])
            except Exception as error:  # some installations fail instead of falling back
                log.debug("CUDA session, graph %s: %s", graph, error)
                continue
            if session.get_providers()[0] == "CUDAExecutionProvider":
                log.debug("CUDA session, graph %s", graph)
                return session
        return None
    finally:
        ort.set_default_logger_severity(2)


class FixedBatches:
    """Runs of a session over arrays that stay where they are (I/O binding).

    A batch is padded to the next size. For each size, input and output live on the device at
    addresses that never change, which a CUDA graph needs; what travels a batch is its input
    and its output, one after the other: pinned memory and copies beside the computing are left
    for when they can be tried on a GPU.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    takes : str
        Name of the input.
    sample_shape : tuple of int
        Of one sample of it.
    n_out : int
        Values a sample of the output, ``sources``.
    sizes : sequence of int
        Ascending.
    device : 'cuda' or 'cpu'
    given : mapping of str to ndarray
        Further inputs, the same for all samples, as they are at first; then ``n_samples`` is one
        more, which is 1 for each sample.
    switch : Switch, optional
        What ends a run early.
    """

    def __init__(
        self,
        session: Any,
        takes: str,
        sample_shape: tuple[int, ...],
        n_out: int,
        sizes: Sequence[int],
        device: str,
        given: Mapping[str, NDArray[Any]] = MappingProxyType({}),
        switch: Switch | None = None,
    ) -> None:
        switch = switch or Switch()
        self._session = session
        self._sizes = tuple(sizes)
        self._runs = {}
        self._given = given
        self._places = {
            name: ort.OrtValue.ortvalue_from_numpy(array, device, 0)
            for name, array in given.items()
        }
        for number, size in enumerate(sizes):
            host = np.zeros((size, *sample_shape), np.float32)
            source = ort.OrtValue.ortvalue_from_numpy(host.copy(), device, 0)
            sink = ort.OrtValue.ortvalue_from_shape_and_type((size, n_out), np.float32, device, 0)
            binding = session.io_binding()
            binding.bind_ortvalue_input(takes, source)
            for name, place in self._places.items():
                binding.bind_ortvalue_input(name, place)
            if given:
                one_each = np.ones(size, np.float32)
                binding.bind_ortvalue_input(
                    "n_samples", ort.OrtValue.ortvalue_from_numpy(one_each, device, 0)
                )
            binding.bind_ortvalue_output("sources", sink)
            options = switch.of_running()
            options.add_run_config_entry("gpu_graph_id", str(number + 1))
            self._runs[size] = host, source, sink, binding, options

    def __call__(
        self, inputs: Float, out: Float, given: Mapping[str, NDArray[Any]] = MappingProxyType({})
    ) -> Float:
        """Write the output of all samples to ``out``, in as few runs as can be, and return it."""
        if given is not self._given:
            for name, place in self._places.items():
                place.update_inplace(given[name])
            self._given = given
        most = self._sizes[-1]
        for first in range(0, len(inputs), most):
            rows = inputs[first : first + most]
            n = len(rows)
            size = next(size for size in self._sizes if size >= n)
            host, source, sink, binding, options = self._runs[size]
            host[:n] = rows
            source.update_inplace(host)
            self._session.run_with_iobinding(binding, options)
            # Copied: on the CPU it is a view of the place that the next run writes to.
            out[first : first + n] = sink.numpy()[:n]
        return out
