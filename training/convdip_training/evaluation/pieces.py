"""Scores in pieces: worked on by all cores, and kept, so that what was interrupted resumes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import convdip
import joblib
import numpy as np
import onnxruntime as ort
from convdip.machine import n_cores
from numpy.typing import NDArray

from convdip_training.cache import write_whole


def chunks(n: int, size: int) -> list[tuple[int, int]]:
    """Return first and last + 1 of each piece of ``n`` samples."""
    return [(first, min(first + size, n)) for first in range(0, n, size)]


def in_processes(work: Callable[..., Any], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Call a function with the arguments of each job, in one process per core; results in order."""
    # One thread a process: more would fight for the cores, and round sums differently.
    with joblib.parallel_config("loky", n_jobs=n_cores(), inner_max_num_threads=1):
        parallel = joblib.Parallel(return_as="generator")
        yield from parallel(joblib.delayed(work)(*job) for job in jobs)


def kept(
    path: Path, score: Callable[[], dict[str, NDArray[np.float64]]]
) -> dict[str, NDArray[np.float64]]:
    """Return what a file keeps; where it is not there, ``score()`` fills it."""
    if not path.is_file():
        scored: dict[str, Any] = score()
        write_whole(path, lambda unfinished: np.savez(unfinished, allow_pickle=False, **scored))
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def code_files(evaluation: Iterable[str], sources: Iterable[str] = ()) -> list[Path]:
    """Return the source files that scores depend on.

    Parameters
    ----------
    evaluation : iterable of str
        Modules of `convdip_training.evaluation`.
    sources : iterable of str
        Modules of `convdip.sources`. Patches, what images a sample, the baseline methods and the
        anatomy are always there.
    """
    own, live = Path(__file__).parent, Path(convdip.__file__).parent
    imaging = (
        "imager", "topography", "scale", "network", "operator", "gains", "spline", "window",
        "baseline",
    )  # fmt: skip
    return sorted(
        [
            *(own / f"{name}.py" for name in evaluation),
            live / "patches.py",
            live / "feedback" / "regions.py",
            *(live / "live" / f"{name}.py" for name in imaging),
            *(live / "sources" / f"{name}.py" for name in sources),
            *(own.parent / "baselines").glob("*.py"),
            *(own.parent / "anatomy").glob("*.py"),
        ]
    )


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that scores depend on."""
    return {
        "python": platform.python_version(),
        "onnxruntime": ort.__version__,
        **{name: version(name) for name in ("mne", "numpy", "scipy", "scikit-learn", "pot")},
    }
