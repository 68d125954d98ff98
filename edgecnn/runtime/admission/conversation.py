"""Gives a model to the child process that tries it out, and takes its answer, within a time that the child names."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from edgecnn.runtime.admission.time_limit import elapsed_s

__all__ = ["Outcome", "TooLateError", "converse"]

_MOST_LIMITS = 3  # when it is ready, when the model's work is known, and when the model has run once


class TooLateError(Exception):
    """The child gave no answer in time; ``limit_s`` is the processor time it had, None if it was not even ready."""

    def __init__(self, waited_s: float, limit_s: float | None) -> None:
        super().__init__(f"no answer within {waited_s:.0f} s")
        self.waited_s = waited_s
        self.limit_s = limit_s


@dataclass(frozen=True)
class Outcome:
    """How the child ended."""

    status: int  # negative: the signal that ended it
    limit_s: float | None  # the processor time that it allowed the model
    answer: dict[str, Any] | None  # its last message, if that was an answer


def converse(child: subprocess.Popen[bytes], content: bytes, start_s: float) -> Outcome:
    """Waits for the child's answer and its end. The caller ends a child that is late.

    Args:
        child: :mod:`edgecnn.runtime.admission.sandbox`, just started.
        content: of the model file.
        start_s: how long the child's imports may take.

    Raises:
        TooLateError: it is not ready within ``start_s``, or took longer than its limit allows.
    """
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_feed, args=(child, content), daemon=True).start()
    threading.Thread(target=_listen, args=(child, lines), daemon=True).start()
    limits: list[float] = []
    answer: dict[str, Any] | None = None
    begun_s, wait_s = time.monotonic(), start_s
    while True:
        try:
            line = lines.get(timeout=max(0.0, begun_s + wait_s - time.monotonic()))
        except Empty:
            raise TooLateError(wait_s, limits[-1] if limits else None) from None
        if line is None:
            break
        said = _object(line)
        limit_s = said.get("limit_s") if said else None
        if isinstance(limit_s, int | float) and len(limits) < _MOST_LIMITS:
            limits.append(float(limit_s))
            begun_s, wait_s = time.monotonic(), elapsed_s(limits[-1])
        else:
            answer = said
    return Outcome(child.wait(), limits[-1] if limits else None, answer)


def _feed(child: subprocess.Popen[bytes], content: bytes) -> None:
    assert child.stdin is not None
    with suppress(OSError, ValueError):  # it may end before it has read all; its exit code tells why
        child.stdin.write(content)
    with suppress(OSError, ValueError):
        child.stdin.close()


def _listen(child: subprocess.Popen[bytes], lines: SimpleQueue[bytes | None]) -> None:
    assert child.stdout is not None
    with suppress(OSError, ValueError), child.stdout as said:
        for line in said:
            lines.put(line)
    lines.put(None)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
