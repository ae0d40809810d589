"""Step 4: the ONNX Runtime session, and which processor it really runs on."""

from __future__ import annotations

import contextlib
import io
import logging
import math
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from realtime.errors import BundleError, ProviderError
from realtime.head import Head

log = logging.getLogger(__name__)

Provider = Literal["auto", "cuda", "cpu"]

# TF32 would round inputs to 10 bits: the GPU's maps must be the CPU's maps.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
# Run once before the first sample: the smallest batch of the service and the largest.
WARM_UP_SIZES = (1, 64)
PIXELS = (7, 11, 1)


class Network:
    """A bundle's network.

    Parameters
    ----------
    model : bytes
        The ONNX file. From bytes, ONNX Runtime refuses references to any other file.
    head : Head
        Its electrodes and dipoles are what the model must take and give.
    provider : 'auto', 'cuda' or 'cpu'
        ``auto`` takes CUDA where it works and says so where it does not.

    Attributes
    ----------
    takes : 'topography' or 'eeg'
        What the input is: the 7×11 image or the electrodes' potentials.
    provider : str
        The execution provider in use, by ONNX Runtime's name.

    Raises
    ------
    BundleError
        If the model cannot be loaded or has other inputs or outputs.
    ProviderError
        If CUDA is asked for and cannot be had.
    """

    def __init__(self, model: bytes, head: Head, provider: Provider = "auto") -> None:
        self._session = _open_session(model, provider)
        self.provider: str = self._session.get_providers()[0]
        self.takes, self._sample_shape = _check_ports(self._session, head)
        for size in WARM_UP_SIZES:
            self(np.zeros((size, math.prod(self._sample_shape)), np.float32))

    def __call__(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return source maps without a scale.

        Parameters
        ----------
        inputs : ndarray, shape (n_times, 77) or (n_times, n_electrodes)
            Volts.

        Returns
        -------
        maps : ndarray, shape (n_times, n_dipoles)
        """
        feed = {self.takes: inputs.reshape(-1, *self._sample_shape)}
        maps: NDArray[np.float32] = self._session.run(["sources"], feed)[0]
        return maps


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


def _open_session(model: bytes, provider: Provider) -> Any:
    options = ort.SessionOptions()
    # Measured for this size of network: a second thread gains little and spinning burns a core.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if provider != "cpu":
        session = _open_cuda(model, options)
        if session is not None:
            return session
        reason = (
            "no CUDA: ONNX Runtime found no usable NVIDIA GPU with CUDA 13 and cuDNN 9 "
            "(the extra 'gpu' brings the libraries)"
        )
        if provider == "cuda":
            raise ProviderError(f"{reason}; use --provider cpu or auto to run without")
        log.info("%s; using the CPU", reason)
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise BundleError(f"ONNX Runtime cannot load the model: {error}") from None


def _open_cuda(model: bytes, options: Any) -> Any | None:
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
        session = ort.InferenceSession(
            model, options, providers=[("CUDAExecutionProvider", CUDA_OPTIONS)]
        )
    except Exception as error:  # some installations fail instead of falling back
        log.debug("CUDA session: %s", error)
        return None
    finally:
        ort.set_default_logger_severity(2)
    return session if session.get_providers()[0] == "CUDAExecutionProvider" else None
