"""Find by trial how a bundle's network runs fastest here: provider, precision, threads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import numpy as np

from convdip.bundle import Bundle
from convdip.errors import BundleError, ProviderError
from convdip.live.known_answer import check_answers
from convdip.live.network import Network, Precision
from convdip.live.patience import never
from convdip.live.runtime import Provider
from convdip.machine import n_cores

log = logging.getLogger(__name__)

# Largest deviation from fp32, as a share of a map's maximum, at which two maps are the same.
SAME_MAP = 1e-3
# Each candidate is timed over this many runs, this far apart.
N_TRIED, TRIED_EVERY_S = 60, 0.002
# More threads take cores from LSL, the amplifier's program and the display: half of the cores
# at most, and only where they are worth it.
THREADS = (1, 2, 4)
THREADS_WORTH = 0.8


def open_network(
    bundle: Bundle,
    provider: Provider,
    precision: Precision,
    stop: Callable[[], bool] = never,
) -> Network:
    """Open a bundle's network the way that images one sample fastest on this machine.

    It has found what was planted in the bundle's head (`known_answer`) before it is returned.

    On the CPU, the number of threads and, with ``auto``, the precision are chosen by timing
    them here. ``auto`` never takes weights whose maps differ from fp32's, by more than a
    thousandth of a map's maximum, as was measured when the bundle was made.

    Parameters
    ----------
    bundle : Bundle
    provider : 'auto', 'cuda' or 'cpu'
    precision : 'auto', 'fp32' or 'int8'
        ``int8`` runs on the CPU.
    stop : callable
        Asked meanwhile; if true, opening is given up.

    Raises
    ------
    BundleError
        If the bundle lacks the precision, or its model breaks the contract or finds nothing.
    ProviderError
        If CUDA is asked for and cannot be had.
    GivenUpError
        If it was stopped.
    """
    network = _opened(bundle, provider, precision, stop)
    check_answers(bundle, network, stop)
    return network


def _opened(
    bundle: Bundle, provider: Provider, precision: Precision, stop: Callable[[], bool]
) -> Network:
    if precision == "int8":
        if provider == "cuda":
            raise ProviderError("int8 weights run on the CPU alone: use `precision='fp32'` on CUDA")
        if bundle.int8 is None:
            raise BundleError(
                f"the model {bundle.name} has no int8 weights: use `precision='fp32'`, or a bundle "
                "exported with them"
            )
    elif provider != "cpu":
        network = Network(bundle.model, bundle.head, provider, stop=stop)
        if network.provider != "CPUExecutionProvider":
            return network
    models = [] if precision == "int8" else [("fp32", bundle.model)]
    same = bundle.int8_deviation <= SAME_MAP
    if bundle.int8 is not None and (precision == "int8" or (precision == "auto" and same)):
        models.append(("int8", bundle.int8))
    return _quickest(
        [
            Network(model, bundle.head, "cpu", threads, name, stop)
            for name, model in models
            for threads in THREADS
            if threads <= max(1, n_cores() // 2)
        ]
    )


def _quickest(candidates: list[Network]) -> Network:
    """Time networks in turns, paced like the samples of a stream, and return the best.

    Without the pauses the weights would stay in the cache, and all would look better than they are.
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
