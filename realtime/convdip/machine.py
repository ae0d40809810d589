"""The computer and its resources: cores, processor, GPU, memory, and the code's commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import psutil


def n_cores() -> int:
    """Return the number of cores available to this process."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def gpu_name() -> str:
    """Return name and driver version of the NVIDIA GPU, or ``none``."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return found.replace("\n", "; ") or "none"


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python and of packages."""
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}


def commit() -> str:
    """Return the checkout's short commit hash, or ``unknown`` outside a checkout.

    ``-dirty`` is appended if tracked files have been modified.
    """
    if not (Path(__file__).parents[2] / ".git").exists():
        return "unknown"
    folder = os.fspath(Path(__file__).parent)
    command = ["git", "-C", folder, "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def memory_mb(pid: int | None = None) -> float:
    """Return the resident memory of a process, this one by default, in megabytes.

    Raises
    ------
    psutil.NoSuchProcess
        If the process has ended.
    """
    n_bytes: int = psutil.Process(pid).memory_info().rss
    return round(n_bytes / 1e6, 1)
