"""Work that is done before its result is asked for: in a thread, or in processes of their own."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_limits

Result = TypeVar("Result")
Numbered = Callable[[int], Result]

# So many results wait, for each process: a slow one then holds nobody up.
WAITING = 4


class Ahead(Generic[Result]):
    """Results of a function of whole numbers, in their order, the next ones being worked on.

    Parameters
    ----------
    make : callable
        Returns the function. Each process calls it once: `make` and the results are pickled.
    n_processes : int
        0 for a thread of this process.
    """

    def __init__(self, make: Callable[[], Numbered[Result]], n_processes: int = 0) -> None:
        self._work: Numbered[Result]
        self._workers: Executor
        if n_processes:
            # Started afresh: what Keras runs on does not survive a fork.
            self._workers = ProcessPoolExecutor(
                n_processes, get_context("spawn"), initializer=_prepare, initargs=(make,)
            )
            self._work = _work_here
        else:
            self._workers = ThreadPoolExecutor(1)
            self._work = make()
        self._n_waiting = max(1, WAITING * n_processes)

    def __call__(self, first: int, last: int) -> Iterator[Result]:
        """Yield the results of ``first`` to ``last`` − 1."""
        coming = deque(
            self._workers.submit(self._work, i)
            for i in range(first, min(first + self._n_waiting, last))
        )
        for i in range(first + self._n_waiting, last + self._n_waiting):
            result = coming.popleft().result()
            if i < last:
                coming.append(self._workers.submit(self._work, i))
            yield result

    def __enter__(self) -> Ahead[Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workers.shutdown(cancel_futures=True)


# What a process of the pool works with.
_here: dict[str, Any] = {}


def _prepare(make: Callable[[], Numbered[Any]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    threadpool_limits(1)  # as many processes as cores: each has one
    _here["work"] = make()


def _work_here(i: int) -> Any:
    return _here["work"](i)
