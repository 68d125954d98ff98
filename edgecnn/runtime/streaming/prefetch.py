"""Prefetching: an ordered, bounded ``map`` in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

__all__ = ["prefetch_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_Outcome: TypeAlias = "SimpleQueue[Result | _Raised]"  # the result of one item
_Turns: TypeAlias = "SimpleQueue[_Outcome[Result] | _Raised | None]"
_Jobs: TypeAlias = "SimpleQueue[tuple[Item, _Outcome[Result]] | None]"


def prefetch_map(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, window: int
) -> Iterator[Result]:
    """Yields ``function(item)`` for each item, in order, while threads compute up to ``window`` later results.

    A separate thread reads the items, so a slow item (a line on standard input) does not delay earlier results. The
    caller waits only in queues implemented in C, so an exception of a signal handler leaves no lock held.

    Raises:
        Exception: an error of ``function``, at the turn of its item; an error of ``items``, after all results.
    """
    turns: _Turns[Result] = SimpleQueue()  # in the items' order
    places: SimpleQueue[bool] = SimpleQueue()  # for items under way; False: no more
    jobs: _Jobs[Item, Result] = SimpleQueue()
    for _ in range(window):
        places.put(True)
    threading.Thread(target=_feed, args=(items, places, jobs, turns), daemon=True).start()
    for _ in range(workers):
        threading.Thread(target=_work, args=(function, jobs), daemon=True).start()
    try:
        while (turn := turns.get()) is not None:
            result = turn if isinstance(turn, _Raised) else turn.get()
            if isinstance(result, _Raised):
                raise result.error
            places.put(True)
            yield result
    finally:
        places.put(False)
        with suppress(Empty):  # items that were not begun are dropped
            while True:
                jobs.get_nowait()
        for _ in range(workers):
            jobs.put(None)


def _feed(items: Iterable[Item], places: SimpleQueue[bool], jobs: _Jobs[Item, Result], turns: _Turns[Result]) -> None:
    try:
        for item in items:
            if not places.get():
                return
            outcome: _Outcome[Result] = SimpleQueue()
            jobs.put((item, outcome))
            turns.put(outcome)
        turns.put(None)
    except BaseException as error:  # noqa: BLE001  # it is raised where the results are read
        turns.put(_Raised(error))


def _work(function: Callable[[Item], Result], jobs: _Jobs[Item, Result]) -> None:
    while (job := jobs.get()) is not None:
        item, outcome = job
        try:
            outcome.put(function(item))
        except BaseException as error:  # noqa: BLE001  # it is raised at the item's turn
            outcome.put(_Raised(error))
