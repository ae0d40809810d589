"""How samples arrive: how long those that are taken have waited, and how many come at a time."""

from __future__ import annotations

from collections import deque
from statistics import median

# What arrives closer together is one block.
TOGETHER_S = 0.02
# A sender delivers in blocks if those that it sent lately are so long, in the middle.
BLOCK_S, N_BLOCKS = 0.1, 10


class Delivery:
    """Follows the arrival of samples that are taken one batch after the other.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate.
    now_s : float
        When the first may come, on any clock that is not set.

    Attributes
    ----------
    waited_s : float
        How long the oldest sample of the last batch has waited since it arrived, at most.
    """

    def __init__(self, sfreq_hz: float, now_s: float) -> None:
        self.waited_s = 0.0
        self._sfreq_hz = sfreq_hz
        self._seen_s = now_s
        self._n_taken = self._n_arrived = 0
        # Until when how many had arrived.
        self._arrived: deque[tuple[float, int]] = deque()
        self._block_s, self._n_block, self._newest_s = now_s, 0, now_s
        self._blocks: deque[float] = deque(maxlen=N_BLOCKS)

    @property
    def block_s(self) -> float:
        """How much the sender delivers at a time; 0 where samples come as they are taken."""
        if len(self._blocks) < N_BLOCKS:
            return 0.0
        block_s = median(self._blocks)
        return block_s if block_s > BLOCK_S else 0.0

    def took(self, now_s: float, n: int, n_waiting: int, *, was_there: bool) -> None:
        """Take note of a batch.

        Parameters
        ----------
        now_s : float
        n, n_waiting : int
            Samples in it, and samples that waited behind it.
        was_there : bool
            Whether samples were there when it was asked for.
        """
        arrived = self._n_taken + n + n_waiting
        if arrived > self._n_arrived:
            # What was there at once may have come as soon as nobody looked any more.
            at_s = self._seen_s if was_there else now_s
            self._arrived.append((at_s, arrived))
            self._note_block(now_s, arrived - self._n_arrived)
            self._n_arrived = arrived
        self._seen_s = now_s
        if n:
            while self._arrived[0][1] <= self._n_taken:
                self._arrived.popleft()
            self.waited_s = now_s - self._arrived[0][0]
            self._n_taken += n

    def skipped(self, n: int) -> None:
        """Take note of samples that were taken beside, and dropped."""
        self._n_taken += n
        self._n_arrived = max(self._n_arrived, self._n_taken)

    def _note_block(self, now_s: float, n: int) -> None:
        if now_s - self._newest_s > TOGETHER_S:
            took_s = self._newest_s - self._block_s
            self._blocks.append(self._n_block / self._sfreq_hz - took_s)
            self._block_s, self._n_block = now_s, 0
        self._n_block += n
        self._newest_s = now_s
