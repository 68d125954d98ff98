"""A live source: gives the newest frame of a camera or a stream, and reports outages.

Each connection is a separate capture process (:mod:`edgecnn.runtime.sources.capture.worker`). A thread watches it: it
kills a process after a timeout, and starts the next one after a delay that doubles from 0.5 s to 4 s and is reset by
the first frame.

That thread and the reader communicate only through queues implemented in C, so an exception of a signal handler in the
reader leaves no lock held.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from edgecnn.errors import SourceError
from edgecnn.runtime.sources.address import Address, with_colon
from edgecnn.runtime.sources.capture.connection import Arrived, Connection, Dropped, Failed, Passed
from edgecnn.runtime.sources.capture.frame_event import FrameEvent
from edgecnn.runtime.sources.capture.frame_rate import FrameRate
from edgecnn.runtime.sources.capture.latest_frame import LatestFrame
from edgecnn.runtime.sources.capture.live_options import Counters, Ended, LiveOptions, Outage
from edgecnn.runtime.sources.capture.worker_order import CaptureOrder
from edgecnn.runtime.sources.frame import Frame, FrameFile, now_rfc3339
from edgecnn.runtime.system.python_interpreter import NoInterpreterError

if TYPE_CHECKING:
    from typing_extensions import Self

    from edgecnn.preprocess import Image

__all__ = ["LiveSource"]

Item = TypeVar("Item")

log = logging.getLogger("edgecnn")

# Of `stall_s`: a socket that says nothing ends a little before, so that its own reason is the one told
_SILENT_CONNECTION = 8 / 9


class LiveSource:
    """Iterator over the newest frames of a camera or a stream, until it is closed.

    Iterating waits during outages; :meth:`take` returns them.

    Args:
        address: address of the source.
        options: timeouts and frame options.
        name: name in output; None: the address without passwords.
        news: event that is set when there is something to take; several sources may share it.

    Raises (while iterating or taking):
        SourceError: the source cannot be opened and retrying cannot help; with ``fail_fast`` also if it is offline at
            the start.
    """

    def __init__(
        self,
        address: Address,
        options: LiveOptions | None = None,
        news: FrameEvent | None = None,
        *,
        name: str | None = None,
    ) -> None:
        self.name = name or address.name
        self._address = address
        self._options = options or LiveOptions()
        self._news = news or FrameEvent()
        self._process = os.getpid()
        self._closing = threading.Event()
        self._memory = LatestFrame(3 * self._options.max_pixels)
        self._newest: deque[Arrived] = deque(maxlen=1)
        self._outage: deque[Outage] = deque(maxlen=1)
        self._over: Ended | SourceError | None = None
        self._watched, self._delivered = Counters(), 0
        self._counting = threading.Lock()  # between the threads that watch; the reader takes none
        self._next_number, self._next_index = 1, 0
        self._rate = FrameRate()
        self._watcher = threading.Thread(target=self._watch, name=f"edgecnn {self.name}", daemon=True)
        self._watcher.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        while True:
            if not self.has_news():
                self._news.wait(1.0)
            self.await_due()
            taken = self.take()
            if isinstance(taken, Frame):
                return taken
            if isinstance(taken, Ended) or self._closing.is_set():
                raise StopIteration

    @property
    def counters(self) -> Counters:
        """Counters since opening."""
        return replace(self._watched, delivered=self._delivered)

    def has_news(self) -> bool:
        """Whether :meth:`take` has something to return."""
        return bool(self._newest or self._outage) or self._over is not None or self._closing.is_set()

    def await_due(self) -> None:
        """Waits a few milliseconds if a newer frame is about to arrive, so that the old one is not classified."""
        number = self._next_number
        while (
            self._newest
            and self._next_number == number
            and not self._memory.writer_rests
            and (left_s := self._rate.next_within_s(time.monotonic())) > 0
        ):
            self._news.wait(left_s)

    def take(self) -> Frame | Outage | Ended | None:
        """Returns the newest frame not taken yet, else the last outage not taken yet, else None. Never waits.

        Raises:
            SourceError: the source cannot be opened, or was opened before this process was forked.
        """
        if self._process != os.getpid():  # no frame would ever come: the thread that watches belongs to the parent
            raise SourceError(f"{self.name}: was opened before this process was forked; open it in the forked process")
        over = self._over  # checked first, so that what came before the end is reported before it
        newest = _popped(self._newest)
        if newest is None:
            return _popped(self._outage) or _the_end(over)
        found = None if self._closing.is_set() else self._read(newest)
        if found is None:  # overwritten meanwhile: a newer one is there, or will be within a frame's time
            return None
        image, file = found
        self._delivered += 1
        return Frame(
            image=image,
            name=self.name,
            index=newest.index,
            media_time_s=None,
            decode_ms=newest.decode_ms,
            captured_at=newest.captured_at,
            captured_monotonic_s=newest.captured_monotonic_s,
            kind="stream",
            file=file,
        )

    def _read(self, newest: Arrived) -> tuple[Image, FrameFile | None] | None:
        part_of = newest.part_of
        found = self._memory.read(newest.number, newest.height, newest.width, part_of.file_bytes if part_of else 0)
        if found is None:
            return None
        image, file = found
        return image, None if part_of is None else part_of.frame_file(image, file, self._options.max_pixels)

    def close(self) -> None:
        """Ends the capture process within a second, even if it hangs in a read. Repeated calls do nothing."""
        self.stop()
        self._watcher.join(2.0)
        if not self._watcher.is_alive():
            self._memory.close()

    def stop(self) -> None:
        """Requests the end without waiting; :meth:`close` waits."""
        self._closing.set()
        self._news.notify()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watch(self) -> None:
        """Body of the watcher thread."""
        options = self._options
        wait_s, open_s = options.first_wait_s, options.open_s
        while not self._closing.is_set():
            before = self.counters.connections
            end = self._connect(open_s)
            if self._closing.is_set() or isinstance(end, Ended):
                return self._finish(Ended())
            began = self.counters.connections > before
            if not self.counters.connections and (end.permanent or options.fail_fast):
                return self._finish(SourceError(f"{with_colon(self.name)} {end.reason}"))
            if end.silent and not began:
                open_s = min(1.5 * open_s, options.longest_open_s)
            wait_s = options.first_wait_s if began else wait_s
            self._count(outages=int(began), failed_attempts=int(not began), stalls=int(end.silent and began))
            self._tell(
                Outage(self.name, end.reason, wait_s, now_rfc3339()), first=began or not self.counters.connections
            )
            self._closing.wait(wait_s)
            wait_s = min(2 * wait_s, options.longest_wait_s)
        return None

    def _connect(self, open_s: float) -> Ended | Failed:
        """Runs one capture process until it ends."""
        o = self._options
        order = CaptureOrder(
            kind=self._address.kind,
            address=self._address.text,
            memory=self._memory.handle,
            capacity=self._memory.capacity,
            first_number=self._next_number,
            first_index=self._next_index,
            every=o.every,
            max_pixels=o.max_pixels,
            timeout_s=_SILENT_CONNECTION * o.stall_s,
            interval_s=o.interval_s,
            folder=_here(),
            model=o.model,
        )
        begun = self.counters.connections
        self._rate = FrameRate()  # an outage is no interval

        def hear(event: Arrived | Passed | Dropped) -> None:
            self._next_index = event.index + 1
            if isinstance(event, Passed):
                return None
            if isinstance(event, Dropped):
                return self._count(dropped=1)
            self._next_number = event.number + 1
            self._count(captured=1, connections=int(self.counters.connections == begun))
            self._outage.clear()
            self._rate.count(time.monotonic())
            self._newest.append(event)
            return self._news.notify()

        try:
            end = Connection(order, self._memory.descriptors, hear).wait(
                open_s, o.stall_s + (o.interval_s or 0.0), o.longest_first_s, self._closing
            )
        except (
            OSError,
            RuntimeError,
            MemoryError,
        ) as error:  # no descriptors, processes, threads or memory left: there may be some later
            return Failed(
                "the capture process cannot be started: "
                f"{getattr(error, 'strerror', None) or str(error) or type(error).__name__}",
                permanent=isinstance(error, NoInterpreterError),
            )
        return replace(end, reason=self._address.hide(end.reason)) if isinstance(end, Failed) else end

    def _count(self, **more: int) -> None:
        with self._counting:
            self._watched = replace(
                self._watched, **{name: getattr(self._watched, name) + n for name, n in more.items()}
            )

    def _tell(self, outage: Outage, *, first: bool) -> None:
        if (
            first and outage.retry_in_s == self._options.first_wait_s
        ):  # one line per outage, not per attempt: a camera may be off for weeks
            log.warning("%s offline: %s; reconnecting until it is back", with_colon(self.name), outage.reason)
        self._outage.append(outage)
        self._news.notify()

    def _finish(self, how: Ended | SourceError) -> None:
        self._over = how
        self._news.notify()


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed meanwhile
        return "."


def _the_end(over: Ended | SourceError | None) -> Ended | None:
    if isinstance(over, SourceError):
        raise over
    return over


def _popped(kept: deque[Item]) -> Item | None:
    """Removes and returns an item atomically; items that another thread adds meanwhile stay."""
    with suppress(IndexError):
        return kept.popleft()
    return None
