"""``/api/collect…``: lists, shows, labels, discards and replays collected frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, ImageError, UsageError
from edgecnn.serving.collect.labels import check_label
from edgecnn.serving.collect.record import StoredFrame, frame_values
from edgecnn.serving.collect.replay import Replay
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.collect.writer import FrameWriter
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.bodies import read_object
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.threads import FewThreads

__all__ = ["CollectEndpoints"]

T = TypeVar("T")

_LIMIT, _MOST = 100, 1000  # frames of a listing
_MOST_IDS = 10_000
_BODY_BYTES = 4_000_000
_EXAMPLE = '{"ids": ["…"], "label": "…"}'
_TYPES = {".jpg": "image/jpeg", ".png": "image/png"}


class CollectEndpoints:
    """Answers for the collected frames.

    Args:
        service: its models replay frames.
        writer: has the frames; None: collecting is off.
    """

    def __init__(self, service: Service, writer: FrameWriter | None) -> None:
        self._service = service
        self._writer = writer
        self._replay = Replay(service)
        self._threads = FewThreads(1)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The paths."""
        return (
            Endpoint("/api/collect", self.frames, "read"),
            Endpoint("/api/collect/label", self.label, "change", "POST"),
            Endpoint("/api/collect/discard", self.discard, "change", "POST"),
            Endpoint("/api/collect/{id}/image", self.image, "read"),
            Endpoint("/api/collect/{id}/replay", self.replay, "read", "POST"),
        )

    async def frames(self, request: Request) -> Response:
        """The frames, newest first: ``?offset=`` ``?limit=`` (100, at most 1000) ``?source=``."""
        offset = _number(request, "offset", 0, 10**9)
        limit = _number(request, "limit", _LIMIT, _MOST)
        known = self._known_labels()
        state: dict[str, Any] = {
            "on": self._writer is not None,
            "problem": None if self._writer is None else self._writer.problem,
            "max_bytes": round(self._service.settings.collect.max_mb * 1e6),
        }
        store = None if self._writer is None else self._writer.store
        if store is None:
            empty = {"frames": [], "labels": known, "total": 0, "bytes": 0}
            return answer({**state, "unlabelled_bytes": 0, **empty})
        page = await self._aside(lambda: store.page(offset, limit, request.query_params.get("source")))
        labels = dict.fromkeys([*known, *await self._aside(lambda: store.label_names)])
        frames = [frame_values(frame) for frame in page.frames]
        found = {"frames": frames, "labels": list(labels), "total": page.total, "bytes": page.size_bytes}
        return answer({**state, "unlabelled_bytes": store.unlabelled_bytes, **found})

    async def image(self, request: Request) -> Response:
        """The image of a frame, as it is stored."""
        frame, content = await self.read_frame(request.path_params["id"])
        return Response(content, media_type=_TYPES[frame.path.suffix])

    async def label(self, request: Request) -> Response:
        """Gives frames a label: ``{"ids": […], "label": "…"}``."""
        store = self._store()
        values = await self._body(request)
        ids, label = _ids(values), values.get("label")
        if not isinstance(label, str):
            return refusal(400, "label is missing: send the label as text")
        try:
            name = check_label(label, await self._aside(lambda: store.label_names), self._known_labels())
            return answer(await self._aside(lambda: store.label(ids, name)))
        except UsageError as error:
            return refusal(422, str(error))
        except EdgeCNNError as error:
            return refusal(507, str(error))

    async def discard(self, request: Request) -> Response:
        """Deletes frames: ``{"ids": […]}``."""
        store = self._store()
        ids = _ids(await self._body(request))
        try:
            return answer({"discarded": await self._aside(lambda: store.discard(ids))})
        except EdgeCNNError as error:
            return refusal(507, str(error))

    async def replay(self, request: Request) -> Response:
        """What every model answers for a frame now."""
        frame, content = await self.read_frame(request.path_params["id"])
        try:
            answers = await self._aside(lambda: self._replay.answers(content, frame.record.id))
        except ImageError as error:
            return refusal(422, str(error))
        return answer({"answers": answers})

    def _known_labels(self) -> list[str]:
        """The class names of all models that serve, each once."""
        labels = (label for model in self._service.models.values() for label in model.current.labels)
        return list(dict.fromkeys(labels))

    def _store(self) -> FrameStore:
        """Raises :class:`HTTPException` where there is none."""
        if self._writer is None:
            raise HTTPException(409, "collecting is off; give a folder as [collect] dir in the settings")
        if self._writer.store is None:
            raise HTTPException(503, self._writer.problem or "the folder of collected frames is not open yet")
        return self._writer.store

    async def read_frame(self, frame_id: str) -> tuple[StoredFrame, bytes]:
        """A frame and its image file. Raises :class:`HTTPException`: there is none."""
        store = self._store()  # the id is looked up there, and never becomes part of a path
        found = await self._aside(lambda: store.read(frame_id))
        if found is None:
            raise HTTPException(404, "no such frame; it may have been discarded, or fallen out of the ring")
        return found

    async def _body(self, request: Request) -> dict[str, Any]:
        return await read_object(request, _BODY_BYTES, self._service.settings.limits.silent_s, _EXAMPLE)

    async def _aside(self, step: Callable[[], T]) -> T:
        """Runs what takes time beside the event loop, one request at a time: decisions need the cores."""
        return await self._threads.run(step)


def _number(request: Request, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 10:
        raise HTTPException(400, f"{name} is a whole number from 0 to {most}")
    return min(int(text), most)


def _ids(values: dict[str, Any]) -> list[str]:
    ids = values.get("ids")
    if not isinstance(ids, list) or not ids or len(ids) > _MOST_IDS or not all(isinstance(i, str) for i in ids):
        raise HTTPException(400, f"ids is a list of 1 to {_MOST_IDS} ids of frames, as /api/collect lists them")
    return ids
