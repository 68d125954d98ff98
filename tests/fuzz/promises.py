"""What EdgeCNN promises of any input: an answer, or an error of its own in one line, in bounded time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Literal

Outcome = Literal["accepted", "refused"]
Look = Callable[[bytes], Outcome]
"""What EdgeCNN does with an input. Raises :class:`BrokenPromiseError`, or anything that is no error for users."""

MOST_CPU_S = 1.0
MOST_BYTES, BYTES_A_BYTE = (
    4_000_000,
    200,
)  # of memory: Python's objects take many times the text that they are read from
LONGEST_LINE = 1000  # characters of an error


class BrokenPromiseError(AssertionError):
    """An input for which a promise does not hold."""


def kept(look: Look, data: bytes) -> Outcome:
    """What became of an input. The memory is known where `tracemalloc` has been started."""
    tracemalloc.reset_peak()
    before, begun_s = tracemalloc.get_traced_memory()[0], time.process_time()
    outcome = look(data)
    taken_s, taken = time.process_time() - begun_s, tracemalloc.get_traced_memory()[1] - before
    require(taken_s <= MOST_CPU_S, f"{taken_s:.1f} s of processor time for {len(data)} bytes")
    require(taken <= MOST_BYTES + BYTES_A_BYTE * len(data), f"{taken:,} bytes of memory for {len(data)} bytes")
    return outcome


def require(holds: bool, what: str) -> None:
    if not holds:
        raise BrokenPromiseError(what)


def require_line(text: str) -> None:
    """An error is one line that a terminal, a log and a page can show."""
    require(len(text.splitlines()) == 1, f"no single line: {text[:200]!r}")
    require(len(text) <= LONGEST_LINE, f"{len(text)} characters: {text[:200]!r}")
