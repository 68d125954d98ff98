"""Writes the chosen frames in a thread of its own, so that a slow disk holds no decision up."""

from __future__ import annotations

import logging
import queue
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import cv2

from edgecnn.data_quality.thumbnail import Thumbnail, thumbnail
from edgecnn.errors import EdgeCNNError, OutputError
from edgecnn.preprocess import Image, decode
from edgecnn.serving.collect.candidate import Candidate
from edgecnn.serving.collect.moments import Moments
from edgecnn.serving.collect.record import FrameRecord
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.engine.frame_encoding import as_bgr

__all__ = ["FrameWriter", "encode"]

log = logging.getLogger("edgecnn")

_WAITING = 4  # frames between the deciding threads and this one; each may be of many megabytes
_TICK_S = 30.0  # between two looks at the ages
_SAVE_S = 600.0  # between two saves of the age clock
_RETRY_S = 10.0  # after a frame that could not be written
_MOST_PER_MOMENT = 100
_REMEMBERED = 100  # moments of a view that are read again after a restart
_LOSSLESS_PIXELS = 65_536
_QUALITY = 95


class FrameWriter:
    """Encodes, groups and stores frames.

    Args:
        open_store: opens the store. It is called again later where it fails.
        clock: seconds that never go back.
    """

    def __init__(self, open_store: Callable[[], FrameStore], clock: Callable[[], float] = time.monotonic) -> None:
        self.store: FrameStore | None = None
        """The frames; None: the folder cannot be used yet."""
        self.dropped = 0
        """Frames that came while the disk was too slow."""
        self._problems: dict[str, str] = {}  # by what failed
        self._open_store = open_store
        self._clock = clock
        self._queue: queue.Queue[Candidate | None] = queue.Queue(_WAITING)
        self._moments = Moments()
        self._known_views: set[str] = set()
        self._retry_at_s = 0.0
        self._tick_at_s = self._save_at_s = clock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-collects", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why no frame is stored now; None: frames are stored."""
        return next(iter(tuple(self._problems.values())), None)

    @property
    def waiting(self) -> int:
        """Frames that were taken, and are not written yet."""
        return self._queue.unfinished_tasks

    def start(self) -> None:
        """Opens the store and begins."""
        self._open()
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Ends. Frames that wait still are lost."""
        self._stopping.set()
        with suppress(queue.Full):  # then it is awake
            self._queue.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def put(self, candidate: Candidate) -> None:
        """Takes a frame. It returns at once: a frame that finds no room is dropped."""
        try:
            self._queue.put_nowait(candidate)
        except queue.Full:
            self.dropped += 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                candidate = self._queue.get(timeout=_TICK_S)
            except queue.Empty:
                candidate = None
            if self._stopping.is_set():
                break
            try:
                self._turn(candidate)
            except Exception:  # unattended: the next frame may do
                log.exception("collecting: an unexpected error; it goes on with the next frame")
            finally:
                if candidate is not None:
                    self._queue.task_done()
        if self.store is not None:
            self._tried("age clock", self.store.age_clock.save)

    def _turn(self, candidate: Candidate | None) -> None:
        now_s = self._clock()
        if now_s < self._retry_at_s:
            return
        if self.store is None:
            self._open()
        if (store := self.store) is None:
            return
        if now_s >= self._tick_at_s:
            self._tick_at_s = now_s + _TICK_S
            self._tried("limits", store.drop_old)
        if now_s >= self._save_at_s:
            self._save_at_s = now_s + _SAVE_S
            self._tried("age clock", store.age_clock.save)
        if candidate is not None:
            made = self.prepare(store, candidate)
            if made is not None:
                self._tried("frame", lambda: store.add(*made))

    def _open(self) -> None:
        def opened() -> None:
            self.store = self._open_store()

        self._tried("folder", opened)

    def _tried(self, what: str, step: Callable[[], object]) -> None:
        """Takes a step. A problem is told once, and once when it is over."""
        try:
            step()
        except (EdgeCNNError, OSError) as error:
            if not self._problems:
                log.warning("collecting stops until it can go on: %s", error)
            self._problems[what] = str(error)
            self._retry_at_s = self._clock() + _RETRY_S
        else:
            if self._problems.pop(what, None) is not None and not self._problems:
                log.warning("collecting goes on")

    def prepare(self, store: FrameStore, candidate: Candidate) -> tuple[FrameRecord, bytes, str] | None:
        """What is written of a frame; None: there are enough of its moment."""
        frame, prediction = candidate.frame, candidate.prediction
        image = as_bgr(frame)
        self._remember(store, candidate.view)
        number = store.next_number()
        frame_id = f"{number:06d}-{candidate.view}-{re.sub(r'[^0-9TZ]', '', frame.captured_at)}"
        group = self._moments.group(candidate.view, _thumbnail(image), frame_id)
        if store.in_group(group) >= _MOST_PER_MOMENT:
            return None
        data, suffix = encode(image)
        record = FrameRecord(
            id=frame_id,
            number=number,
            source=candidate.source,
            view=candidate.view,
            model=candidate.model,
            model_sha256=prediction.model_sha256,
            captured_at=frame.captured_at,
            reason=candidate.reason,
            status=prediction.status,
            label=prediction.label,
            score=prediction.score,
            top=prediction.top,
            others=candidate.others,
            group=group,
            age_clock_s=store.age_clock.now_s,
        )
        return record, data, suffix

    def _remember(self, store: FrameStore, view: str) -> None:
        """Takes in the moments that an earlier run has seen of a view."""
        if view in self._known_views:
            return
        self._known_views.add(view)
        for frame in store.newest(view, _REMEMBERED):
            found = store.read(frame.record.id)
            if found is not None and not self._stopping.is_set():
                try:
                    image = decode(found[1], frame.record.id, color="bgr")
                except EdgeCNNError:  # somebody has changed the file
                    continue
                self._moments.group(view, _thumbnail(image), frame.record.id)


def encode(image: Image) -> tuple[bytes, str]:
    """An image as it is stored: the content of the file, and its suffix.

    PNG for small images, where a model sees single pixels and a file is small anyway. Else JPEG of quality 95, as
    `edgecnn capture` writes it: a PNG is several times as large, and the model sees the image smaller than it is.

    Args:
        image: uint8 ``[H, W, 3]`` BGR.
    """
    if image.shape[0] * image.shape[1] <= _LOSSLESS_PIXELS:
        suffix, options = ".png", [cv2.IMWRITE_PNG_COMPRESSION, 3]
    else:
        suffix, options = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    done, data = cv2.imencode(suffix, image, options)
    if not done:
        raise OutputError(f"OpenCV cannot encode an image of {image.shape[1]} x {image.shape[0]} pixels")
    return data.tobytes(), suffix


def _thumbnail(image: Image) -> Thumbnail:
    return thumbnail(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))  # type: ignore[arg-type]  # cv2's stubs know no dtype
