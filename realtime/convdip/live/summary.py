"""What a service did, from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Summary:
    """What a service did; of one that never found its input, nothing.

    Attributes
    ----------
    received, published, batches : int
        Samples that came in and went out, and the batches in which they were imaged.
    dropped, unread : int
        Samples dropped to catch up; samples that waited when the stream or the service ended.
    overflowed : int
        Samples lost as the inlet's buffer was full.
    repaired : int
        Time stamps that could not be and were replaced.
    late : int
        Samples that came, and were imaged, long after their stamps.
    gaps, missing : int
        Stretches of the input in which samples are missing, and how many are.
    overloads, backlog_most : int
        How often too many samples waited, and the most that ever did.
    stream_losses : int
        How often the input was lost.
    outage_s : float
        For how long, in all.
    latency_ms : dict
        Percentiles ``p50``, ``p95``, ``p99`` of each stage and of the whole ``age``; None where
        nothing was published.
    cpu_s, memory_mb : float
        Of the whole process.
    provider, precision : str
        How the network ran.
    threads : int
    interpolated : tuple of str
        Electrodes that were interpolated.
    """

    received: int = 0
    published: int = 0
    batches: int = 0
    dropped: int = 0
    unread: int = 0
    overflowed: int = 0
    repaired: int = 0
    late: int = 0
    gaps: int = 0
    missing: int = 0
    overloads: int = 0
    backlog_most: int = 0
    stream_losses: int = 0
    outage_s: float = 0.0
    latency_ms: dict[str, dict[str, float | None]] = field(default_factory=dict)
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    provider: str = ""
    precision: str = ""
    threads: int = 0
    interpolated: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in one line, for a person."""
        age = self.latency_ms.get("age", {})
        ages = (
            f"age median {age['p50']:.2f} ms, p99 {age['p99']:.2f} ms; "
            if age.get("p50") is not None and age.get("p99") is not None
            else ""
        )
        return (
            f"{self.published:,} samples published; {ages}{self.overloads} overloads, "
            f"{self.stream_losses} stream losses, {self.dropped} samples dropped, {self.missing} "
            "missing in the input"
        )
