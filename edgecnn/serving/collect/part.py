"""Collecting as a part of the service."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from edgecnn.folder_lock import folder_lock
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.api import CollectEndpoints
from edgecnn.serving.collect.candidate import Candidate
from edgecnn.serving.collect.folder import FrameFolder, check_folder
from edgecnn.serving.collect.reasons import FrameChooser
from edgecnn.serving.collect.record import StoredFrame
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.collect.writer import FrameWriter
from edgecnn.serving.engine.events import Decided, Event
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint

__all__ = ["CollectPart"]

log = logging.getLogger("edgecnn")

_STOP_S = 0.8


class CollectPart:
    """Keeps frames where the settings name a folder; else it answers that it is off, and writes nothing.

    Args:
        service: whose frames are kept.

    Raises:
        UsageError: the folder cannot be used.
    """

    def __init__(self, service: Service) -> None:
        settings = service.settings
        self._hub = service.hub
        self._lock = contextlib.ExitStack()
        self._folder = settings.collect.dir
        self._max_bytes = round(settings.collect.max_mb * 1e6)
        self._max_age_days = settings.collect.max_age_days
        if self._folder is not None:
            check_folder(self._folder)
        every = tuple(service.models)
        self._chooser = FrameChooser(
            settings.collect,
            {source.name: source.models or every for source in settings.sources},
            lambda model: service.models[model].current.labels,
        )
        self.writer = None if self._folder is None else FrameWriter(self._open)
        """Stores the frames; None: collecting is off."""
        self._endpoints = CollectEndpoints(service, self.writer)

    def endpoints(self) -> Sequence[Endpoint]:
        """Listing, images, labelling, replay."""
        return self._endpoints.endpoints()

    def start(self) -> None:
        """Opens the folder and listens. A folder that cannot be opened is tried again later."""
        if self.writer is not None:
            self.writer.start()
            self._hub.subscribe(self._hear)

    def stop(self) -> None:
        """Ends."""
        if self.writer is not None:
            self._hub.unsubscribe(self._hear)
            self.writer.stop(_STOP_S)
            self._lock.close()

    async def read_frame(self, frame_id: str) -> tuple[StoredFrame, bytes]:
        """A collected frame and its image file. Raises :class:`HTTPException`: there is none."""
        return await self._endpoints.read_frame(frame_id)

    def disagreed(self, frame: Frame, view: str, model: str, answer: Prediction, other: Prediction) -> None:
        """Called for a frame on which the shadow answers otherwise than the model that serves.

        It returns at once, so the source's thread may call it.

        Args:
            frame: what both have classified.
            view: the view's name.
            model: name of the model that serves.
            answer: of the model that serves.
            other: the shadow's answer.
        """
        if self.writer is not None:
            self._put(self._chooser.disagreed(frame, view, model, answer, other))

    def _hear(self, event: Event) -> None:
        if isinstance(event, Decided):
            self._put(self._chooser.decided(event))

    def _put(self, candidate: Candidate | None) -> None:
        if candidate is not None and self.writer is not None:
            self.writer.put(candidate)

    def _open(self) -> FrameStore:
        assert self._folder is not None
        folder = FrameFolder(Path(self._folder))
        folder.make_root()
        lock = folder_lock(folder.root, "[collect] dir", lambda line: log.warning("%s", line))
        with contextlib.ExitStack() as stack:
            stack.enter_context(lock)
            store = FrameStore(folder, self._max_bytes, self._max_age_days)
            self._lock.enter_context(stack.pop_all())
        return store
