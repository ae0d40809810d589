"""What this computer is, and what of it this process may and does use."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from convdip.errors import ConvDipError


def n_cores() -> int:
    """Return how many cores this process may use."""
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
    """Return name and driver of the NVIDIA GPU, or ``none``."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return found.replace("\n", "; ") or "none"


def commit() -> str:
    """Return the checkout's commit, with ``-dirty`` where files differ, or ``unknown``."""
    if not (Path(__file__).parents[2] / ".git").exists():
        return "unknown"
    command = ["git", "-C", os.fspath(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def memory_mb(pid: int | str = "self") -> float:
    """Return the memory that a process holds now, in megabytes (resident set; Linux)."""
    if Path("/proc/self/statm").exists():
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)
    if pid != "self":
        raise ConvDipError("the memory of another process is told on Linux alone")
    import resource  # macOS: the most that this process ever had, in bytes

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 1)
