"""Working ahead, in order and within bounds."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edgecnn.runtime.streaming.prefetch import prefetch_map


def test_results_come_in_order_whichever_is_ready_first() -> None:
    later = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0:
            later.wait(20)
        elif item == 3:
            later.set()
        return item

    assert list(prefetch_map(slow_first, range(20), 4, 4)) == list(range(20))


def test_no_more_is_worked_ahead_than_the_window() -> None:
    begun: list[int] = []
    results = prefetch_map(lambda item: begun.append(item) or item, range(100), 2, 3)
    for taken in range(1, 90):
        next(results)
        assert len(begun) <= taken + 3 + 1 + 1  # taken, waiting, offered, about to be offered
    results.close()


def test_an_item_that_is_slow_to_come_holds_back_none_before_it() -> None:
    came = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        came.wait(20)
        yield 2

    results = prefetch_map(lambda item: item, items(), 2, 4)
    assert next(results) == 1
    came.set()
    assert list(results) == [2]


def test_errors_come_at_their_turn() -> None:
    results = prefetch_map(lambda item: 1 // item, [1, 0, 1], 2, 2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_comes_after_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no more")

    results = prefetch_map(lambda item: item, items(), 2, 2)
    assert next(results) == 1
    with pytest.raises(OSError, match="no more"):
        next(results)
