"""``map`` that works ahead in threads, in order and within bounds."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

__all__ = ["map_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], workers: int, window: int) -> Iterator[Result]:
    """Yields ``function(item)`` for each item, in order, while up to ``window`` later ones are worked on.

    An item that is slow to come (a line on standard input) holds back no result of those before it: a thread of its own asks for it.

    Raises:
        What the function raises, at its item's turn; what iterating over the items raises, at their end.
    """
    waiting: queue.Queue[Future[Result] | BaseException | None] = queue.Queue(window)
    stopping = threading.Event()
    pool = ThreadPoolExecutor(workers)

    def put(entry: Future[Result] | BaseException | None) -> None:
        while not stopping.is_set():
            with suppress(queue.Full):
                return waiting.put(entry, timeout=0.1)
        return None

    def feed() -> None:
        try:
            for item in items:
                if stopping.is_set():
                    return
                put(pool.submit(function, item))
        except BaseException as error:  # noqa: BLE001  # it is raised where the results are read
            put(error)
        put(None)

    threading.Thread(target=feed, daemon=True).start()
    try:
        while (entry := waiting.get()) is not None:
            if isinstance(entry, BaseException):
                raise entry
            yield entry.result()
    finally:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)
