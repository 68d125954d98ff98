"""Gives a model to the child process that tries it out, and takes its answer, within a time that the child names."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from edgecnn.plain_json import parse_json
from edgecnn.runtime.admission.time_limit import LONGEST_S, elapsed_s

__all__ = ["Outcome", "TooLateError", "converse"]

_MOST_LIMITS = 3  # when it is ready, when the model's work is known, and when the model has run once
_MOST_LINES, _LONGEST_LINE = 16, 8192  # bytes: a model that took the child over could write for ever
_END_S = 1.0  # for a child that has said all
_LEAST_SHARE = 0.01  # of a core: a child that imports on a busy machine gets more, one that hangs gets none


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


def converse(child: subprocess.Popen[bytes], content: bytes, start_s: float, most_s: float = LONGEST_S) -> Outcome:
    """Waits for the child's answer and its end. The caller ends a child that is late.

    Args:
        child: :mod:`edgecnn.runtime.admission.sandbox`, just started.
        content: of the model file.
        start_s: how long the child's imports may take; where the system tells that the child still computes, longer.
        most_s: the largest limit of processor time that the child may name.

    Raises:
        TooLateError: it is not ready in time, or took longer than its limit allows.
    """
    lines: SimpleQueue[bytes | None] = SimpleQueue()
    threading.Thread(target=_feed, args=(child, content), daemon=True).start()
    threading.Thread(target=_listen, args=(child, lines), daemon=True).start()
    limits: list[float] = []
    answer: dict[str, Any] | None = None
    begun_s, wait_s, spent_s = time.monotonic(), start_s, 0.0
    while True:
        try:
            line = lines.get(timeout=max(0.0, begun_s + wait_s - time.monotonic()))
        except Empty:
            now_s = _processor_time_s(child.pid)
            if not limits and wait_s < LONGEST_S and now_s - spent_s >= _LEAST_SHARE * start_s:
                wait_s, spent_s = wait_s + start_s, now_s
                continue
            raise TooLateError(wait_s, limits[-1] if limits else None) from None
        if line is None:
            break
        said = _object(line)
        limit_s = _limit_s(said, most_s)
        if limit_s is not None and len(limits) < _MOST_LIMITS:
            limits.append(limit_s)
            begun_s, wait_s = time.monotonic(), elapsed_s(limit_s)
        else:
            answer = said
    limit_s = limits[-1] if limits else None
    try:  # one that closes its output may go on
        return Outcome(child.wait(max(_END_S, begun_s + wait_s - time.monotonic())), limit_s, answer)
    except subprocess.TimeoutExpired:
        raise TooLateError(wait_s, limit_s) from None


def _feed(child: subprocess.Popen[bytes], content: bytes) -> None:
    assert child.stdin is not None
    with suppress(OSError, ValueError):  # it may end before it has read all; its exit code tells why
        child.stdin.write(content)
    with suppress(OSError, ValueError):
        child.stdin.close()


def _listen(child: subprocess.Popen[bytes], lines: SimpleQueue[bytes | None]) -> None:
    assert child.stdout is not None
    with suppress(OSError, ValueError), child.stdout as said:
        for line in islice(iter(partial(said.readline, _LONGEST_LINE), b""), _MOST_LINES):
            lines.put(line)
    lines.put(None)


def _processor_time_s(pid: int) -> float:
    """What the process has had so far; 0 where the system does not tell."""
    if sys.platform != "linux":
        return 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime and stime of proc(5)
    except (OSError, ValueError, IndexError):
        return 0.0


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = parse_json(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _limit_s(said: dict[str, Any] | None, most_s: float) -> float | None:
    """The limit that a message names; None where it names none."""
    found = said.get("limit_s") if said else None
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 < found < math.inf:
        return None
    return float(min(found, most_s))
