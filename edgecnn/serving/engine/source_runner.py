"""Reads one source in a thread of its own and decides on its frames."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.frame_quality.view_check import ViewShift
from edgecnn.runtime.sources.address import Address
from edgecnn.runtime.sources.capture.frame_event import FrameEvent
from edgecnn.runtime.sources.capture.live import LiveSource
from edgecnn.runtime.sources.capture.live_options import Counters, Ended, LiveOptions, Outage
from edgecnn.runtime.sources.frame import Frame, now_rfc3339
from edgecnn.serving.engine.events import Decided, SourceChanged, ViewsChanged
from edgecnn.serving.engine.hub import Hub
from edgecnn.serving.engine.newest_image import NewestImage
from edgecnn.serving.engine.source_views import SourceViews

__all__ = ["SourceRunner", "SourceStatus"]

log = logging.getLogger("edgecnn")

_IDLE_S = 0.5  # between two looks whether to stop
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0  # after an address that cannot be opened: the camera may be plugged in later
_RATE_S = 5.0  # over which decisions a second are counted


@dataclass(frozen=True)
class SourceStatus:
    """How a source is doing."""

    name: str
    address: str  # without passwords
    up: bool
    reason: str | None  # why it is offline; None: it is up, or no attempt has ended yet
    retry_in_s: float | None  # until the next attempt
    reconnects: int  # connections that broke and came back
    frames: int  # that were decided on
    frames_dropped: int  # that could not be decoded
    fps: float  # decided frames per second, over the last seconds
    width: int | None  # of its frames, pixels
    height: int | None
    view_shift: ViewShift | None  # how the camera's view lies against its reference; None: without one, or not found


class SourceRunner:
    """Reads a source until it is stopped. Whatever fails is reported, and reading goes on.

    Args:
        name: of the source, in output.
        address: of the source.
        options: timeouts and frame options.
        views: decide on its frames.
        hub: hears of decisions and of the source's state.
    """

    def __init__(self, name: str, address: Address, options: LiveOptions, views: SourceViews, hub: Hub) -> None:
        self.name = name
        self.image = NewestImage()
        self._address = address
        self._options = options
        self._views = views
        self._next_views = self._views  # what another thread asks for; this source's own thread takes it
        self._hub = hub
        self._stopping = threading.Event()
        self._news = FrameEvent()
        self._up, self._known = False, False
        self._reason: str | None = None
        self._retry_at_s = 0.0
        self._number = 0
        self._decided_at: deque[float] = deque(maxlen=1000)
        self._earlier = Counters()  # of the connections before this one
        self._source: LiveSource | None = None
        self._counting = threading.Lock()  # a total that is read between two steps would jump
        self._alive_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"edgecnn-source {name}", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def request_stop(self) -> None:
        """Asks for the end without waiting for it."""
        self._stopping.set()
        if (source := self._source) is not None:
            source.stop()
        self._news.notify()

    def join(self, timeout_s: float) -> None:
        """Waits for the end."""
        self._thread.join(timeout_s)

    def see(self, views: SourceViews) -> None:
        """Replaces the views, from the next frame on."""
        self._next_views = views

    @property
    def silent_s(self) -> float:
        """Seconds since its thread last showed that it runs: after a decision, or while it waits for a frame."""
        return time.monotonic() - self._alive_s

    @property
    def view_names(self) -> tuple[str, ...]:
        """Names of its views."""
        return self._views.names

    def status(self) -> SourceStatus:
        """How it is doing now."""
        counters, now_s = self._counters(), time.monotonic()
        recent = sum(at_s > now_s - _RATE_S for at_s in tuple(self._decided_at))
        frame = self.image.frame
        return SourceStatus(
            name=self.name,
            address=self._address.name,
            up=self._up,
            reason=self._reason,
            retry_in_s=None if self._up or not self._known else max(0.0, self._retry_at_s - now_s),
            reconnects=max(0, counters.connections - 1),
            frames=self._number,
            frames_dropped=counters.dropped,
            fps=recent / _RATE_S,
            width=None if frame is None else frame.image.shape[1],
            height=None if frame is None else frame.image.shape[0],
            view_shift=self._next_views.shift,  # what was realigned must be measured anew, or it would count twice
        )

    def _counters(self) -> Counters:
        with self._counting:
            return self._sum_counters()

    def _sum_counters(self) -> Counters:
        now = Counters() if self._source is None else self._source.counters
        before = self._earlier
        return replace(now, connections=now.connections + before.connections, dropped=now.dropped + before.dropped)

    def _run(self) -> None:
        """Body of the thread."""
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            number = self._number
            try:
                self._read()
                reason = "the source has ended"
            except EdgeCNNError as error:
                reason = str(error).removeprefix(f"{self.name}: ")
            except Exception as error:  # unattended: whatever it is, the next attempt may work
                log.exception("%s: an unexpected error; the source is opened again", self.name)
                reason = f"unexpected error: {type(error).__name__}"
            if self._stopping.is_set():
                return
            reason = self._address.hide(reason)
            if self._up or not self._known:  # once an outage: a camera may be off for weeks
                log.warning("%s: offline: %s; opening it is tried again until it works", self.name, reason)
            wait_s = _FIRST_WAIT_S if self._number > number else min(2 * wait_s, _LONGEST_WAIT_S)
            try:
                self._offline(Outage(self.name, reason, wait_s, now_rfc3339()))
            except Exception:  # a fault here must not end the thread either
                log.exception("%s: an unexpected error while the outage was told", self.name)
            self._wait(wait_s)

    def _wait(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0 and not self._stopping.wait(min(left_s, _IDLE_S)):
            self._alive_s = time.monotonic()
            self._take_next_views()

    def _read(self) -> None:
        """Reads until the source ends or cannot be opened."""
        with LiveSource(self._address, self._options, self._news, name=self.name) as source:
            self._source = source
            try:
                while not self._stopping.is_set():
                    self._alive_s = time.monotonic()
                    if not source.has_news():
                        self._news.wait(_IDLE_S)
                    source.await_due()
                    taken = source.take()
                    if isinstance(taken, Frame):
                        self._decide(taken)
                    elif isinstance(taken, Outage):
                        self._offline(taken)
                    elif isinstance(taken, Ended):
                        return
            finally:
                with self._counting:
                    self._earlier, self._source = self._sum_counters(), None

    def _decide(self, frame: Frame) -> None:
        self._number += 1
        self.image.put(frame, self._number)
        if not self._up:
            self._up, self._known, self._reason = True, True, None
            self._hub.publish(
                SourceChanged(self.name, up=True, reason=None, retry_in_s=None, at=now_rfc3339(), first=True)
            )
        self._take_next_views()
        self._publish(self._views.frame(frame, self._number))
        self._decided_at.append(time.monotonic())

    def _offline(self, outage: Outage) -> None:
        first = self._up or not self._known
        self._up, self._known, self._reason = False, True, outage.reason
        self._retry_at_s = time.monotonic() + outage.retry_in_s
        self._hub.publish(
            SourceChanged(
                self.name,
                up=False,
                reason=outage.reason,
                retry_in_s=outage.retry_in_s,
                at=outage.captured_at,
                first=first,
            )
        )
        self._take_next_views()
        self._publish(self._views.outage(outage, self._number))

    def _take_next_views(self) -> None:
        if self._views is not self._next_views:
            self._views = self._next_views
            self._hub.publish(ViewsChanged(self.name, self.view_names, now_rfc3339()))

    def _publish(self, decisions: Iterable[Decided]) -> None:
        for decided in decisions:
            self._hub.publish(decided)
