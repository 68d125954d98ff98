"""A connection: one capture process. Passes on its messages and ends it after a timeout."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from edgecnn.runtime.sources.capture.live_options import Ended
from edgecnn.runtime.sources.capture.part_of_file import PartOf
from edgecnn.runtime.sources.capture.worker_order import CaptureOrder
from edgecnn.runtime.system.subprocess_python import start_python

__all__ = ["Arrived", "Connection", "Dropped", "Event", "Failed", "Passed"]


@dataclass(frozen=True)
class Ready:
    """The process has imported what it needs and opens the source now."""


@dataclass(frozen=True)
class Arrived:
    """A frame is in the shared memory."""

    number: int
    index: int
    height: int
    width: int
    decode_ms: float
    captured_monotonic_s: float
    captured_at: str
    part_of: PartOf | None = None  # the file that it was decoded from, where it is smaller than that

    @staticmethod
    def told(part_of: dict[str, Any] | None = None, **message: Any) -> Arrived:
        """Reads the message."""
        return Arrived(**message, part_of=None if part_of is None else PartOf(**part_of))


@dataclass(frozen=True)
class Passed:
    """Frames arrive that are skipped because of ``every``."""

    index: int


@dataclass(frozen=True)
class Dropped:
    """A frame arrived that could not be decoded."""

    index: int
    reason: str


@dataclass(frozen=True)
class Failed:
    """The connection failed or was lost."""

    reason: str
    permanent: bool = False  # another try cannot help
    silent: bool = False  # it was ended here, for saying nothing


@dataclass(frozen=True)
class Waiting:
    """Data comes, and no frame yet."""

    reason: str


Event: TypeAlias = "Ready | Arrived | Passed | Dropped | Waiting | Ended | Failed"
_START_S = 120.0  # until it is ready: imports of a slow or busy machine say nothing of the camera
_EVENTS: dict[str, Callable[..., Event]] = {
    "ready": Ready,
    "frame": Arrived.told,
    "passed": Passed,
    "dropped": Dropped,
    "receiving": Waiting,
    "end": Ended,
    "failed": Failed,
}


class Connection:
    """A running capture process.

    Args:
        order: the source and options for the process.
        inherited: file descriptors that the process inherits.
        hear: called with every event, in a thread of the connection.

    Raises:
        OSError: the process could not be started.
    """

    def __init__(
        self, order: CaptureOrder, inherited: tuple[int, ...], hear: Callable[[Arrived | Passed | Dropped], None]
    ) -> None:
        self._hear = hear
        self._heard_s = time.monotonic()
        self._ready = self._begun = self._arrived = False
        self._dropped: str | None = None  # why the last frame was
        self._receiving: str | None = None  # why no frame has come out of the data received
        self._end: Ended | Failed = Failed("the capture process ended without a message")
        self._process = start_python(["-m", "edgecnn.runtime.sources.capture.worker"], pass_fds=inherited)
        assert self._process.stdin is not None
        with suppress(OSError):  # a process that ended at once is noticed by its silence
            self._process.stdin.write(order.to_json().encode() + b"\n")
            self._process.stdin.flush()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        try:
            self._listener.start()
        except BaseException:  # no thread can be started, so nothing would end the process
            self._process.kill()
            self._process.wait()
            raise

    def wait(self, open_s: float, stall_s: float, longest_first_s: float, closing: threading.Event) -> Ended | Failed:
        """Waits until the process has ended or exceeded its timeout, or until ``closing`` is set.

        The timeout in seconds runs from when the process is ready. It is ``open_s`` before the first frame, or
        ``longest_first_s`` if data is received, and ``stall_s`` after the first frame.
        """
        while self._listener.is_alive() and not closing.is_set():
            first_s = max(open_s, longest_first_s) if self._receiving else open_s
            limit_s = stall_s if self._begun else first_s if self._ready else _START_S
            left_s = self._heard_s + limit_s - time.monotonic()
            if left_s <= 0:
                self._stop()
                return Failed(self._why_silent(limit_s), silent=True)
            self._listener.join(min(left_s, 0.1))
        self._stop()
        if isinstance(self._end, Ended) and self._dropped and not self._arrived:  # an image, and a broken one
            return Failed(self._dropped, permanent=True)
        return self._end

    def _why_silent(self, limit_s: float) -> str:
        if not self._ready:
            return f"the capture process was not ready within {limit_s:g} s; try again when the machine is less busy"
        if self._dropped:
            return f"no decodable frame for {limit_s:g} s: {self._dropped}"
        if self._receiving:
            return f"no frame for {limit_s:g} s: {self._receiving}"
        return f"no frame for {limit_s:g} s" if self._begun else f"no frame within {limit_s:g} s after opening"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # cut short by a kill
                    self._take_in(json.loads(line))

    def _take_in(self, message: dict[str, Any]) -> None:
        event = _EVENTS[message.pop("event")](**message)
        if isinstance(event, Ended | Failed):
            self._end = event
            return
        if isinstance(event, Ready):
            self._heard_s, self._ready = time.monotonic(), True
            return
        if isinstance(event, Waiting):
            self._receiving = event.reason
            return
        if isinstance(event, Dropped):
            self._dropped = event.reason
        else:
            self._heard_s, self._begun, self._receiving = time.monotonic(), True, None
        if isinstance(event, Arrived):
            self._arrived, self._dropped = True, None
        self._hear(event)

    def _stop(self, grace_s: float = 0.3) -> None:
        """Closes the standard input of the process, which tells it to end.

        A process that hangs is killed. One that hangs in a driver even then is left to the system.
        """
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
        self._listener.join(grace_s)
