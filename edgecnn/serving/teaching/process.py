"""The teaching process, as the service sees it: started, listened to, ended."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from pydantic import TypeAdapter

from edgecnn.runtime.system.subprocess_python import start_python
from edgecnn.serving.teaching.order import TeachingOrder
from edgecnn.teaching.result import LabelNext, TeachResult

__all__ = ["Failed", "Outcome", "Ranked", "Reported", "TeachingProcess"]

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Reported:
    """It has taught, or refused to."""

    report: TeachResult


@dataclass(frozen=True)
class Ranked:
    """It knows what to label next."""

    label_next: tuple[LabelNext, ...]


@dataclass(frozen=True)
class Failed:
    """It could not."""

    reason: str


Outcome: TypeAlias = Reported | Ranked | Failed


class TeachingProcess:
    """A running process.

    Args:
        order: what it is to do.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, order: TeachingOrder) -> None:
        self._process = start_python(["-m", "edgecnn.serving.teaching.child"], _ONE_THREAD)
        self._order = order

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def run(self, hear: Callable[[str, int, int], object]) -> Outcome:
        """Gives it the order and waits for its end.

        Args:
            hear: called with stage, steps done and steps in all.

        Raises:
            ValueError, KeyError: the process sent a message that is none of a teaching.
        """
        outcome: Outcome | None = None
        with suppress(OSError):  # it ended at once, or was ended
            assert self._process.stdin is not None
            self._process.stdin.write(self._order.to_json().encode() + b"\n")
            self._process.stdin.flush()
        with suppress(OSError):
            assert self._process.stdout is not None
            for line in self._process.stdout:
                message = _message(line)
                if message.get("event") == "progress":
                    hear(str(message["stage"]), int(message["done"]), int(message["total"]))
                elif message:
                    outcome = _outcome(message)
        return outcome or Failed(_how_it_ended(self._process.wait()))

    def end(self) -> None:
        """Ends it, at once. What it has written so far lies in a folder that is removed."""
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """Ends it, and waits until it is gone."""
        self.end()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what it could not read any more
                if pipe is not None:
                    pipe.close()


def _message(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:  # cut short by a kill
        return {}
    return found if isinstance(found, dict) else {}


def _outcome(message: dict[str, Any]) -> Outcome:
    if message["event"] == "taught":
        return Reported(_reader().validate_python(message["report"]))
    if message["event"] == "ranked":
        return Ranked(tuple(LabelNext(**found) for found in message["label_next"]))
    return Failed(str(message["reason"]))


@lru_cache
def _reader() -> TypeAdapter[TeachResult]:
    return TypeAdapter(TeachResult)


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"the teaching process ended with status {status} and without a result; run `edgecnn doctor`"
    name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    cause = ", possibly for lack of memory; free memory and try again" if name in ("SIGKILL", "SIGTERM") else ""
    return f"the teaching process was ended by {name}{cause}"
