"""``/api/teach…``: teaches a model what was labelled, and says which frames to label next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, OutputError, UsageError
from edgecnn.plain_json import as_json
from edgecnn.serving.collect.record import StoredFrame, frame_values
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal, refusal_of
from edgecnn.serving.http.bodies import read_object
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.threads import FewThreads
from edgecnn.serving.teaching.errors import NothingRunsError, NotReadyError, TeachingBusyError
from edgecnn.serving.teaching.frames import FramesToTeach
from edgecnn.serving.teaching.records import LastTeaching
from edgecnn.serving.teaching.teacher import Teacher

__all__ = ["TeachingApi"]

T = TypeVar("T")

_LARGEST_JSON = 10_000
_LONGEST_NAME = 64
_EXAMPLE = '{"replace": false, "max_drop": 0.01}'
_STATUS: tuple[tuple[type[EdgeCNNError], int], ...] = (
    (UsageError, 404),
    (TeachingBusyError, 409),
    (NothingRunsError, 409),
    (NotReadyError, 422),
    (OutputError, 507),
)
# Of the report, what the page and other programs are told; the rest names files of this machine
_TOLD = (
    "labels",
    "added",
    "images",
    "cv_top1",
    "cv_interval",
    "before_top1",
    "forecast",
    "classes",
    "known_top1_before",
    "known_top1_after",
    "seconds",
)


class TeachingApi:
    """Answers the requests.

    Args:
        service: its models are taught.
        teacher: teaches.
        frames: what is learned.
    """

    def __init__(self, service: Service, teacher: Teacher, frames: FramesToTeach) -> None:
        self._service = service
        self._teacher = teacher
        self._frames = frames
        self._threads = FewThreads(1)

    def endpoints(self) -> Sequence[Endpoint]:
        """The paths."""
        return (
            Endpoint("/api/teach", self.state, "read"),
            Endpoint("/api/teach", self.teach, "change", "POST"),
            Endpoint("/api/teach/cancel", self.cancel, "change", "POST"),
            Endpoint("/api/teach/next", self.next, "read"),
            Endpoint("/api/teach/next", self.rank, "change", "POST"),
        )

    async def state(self, request: Request) -> Response:
        """What runs, how the last teaching ended, and whether the labelled frames do for another: ``?model=NAME``."""
        model = self._model(request)
        if model not in self._service.models:
            return self._no_model()
        ready = await self._threads.run(lambda: self._frames.readiness(model))
        last = self._teacher.last(model)
        return answer(
            {
                "model": model,
                "running": self._teacher.running,
                "last": None if last is None else _last(last),
                "labelled": ready.labelled,
                "moments": ready.moments,
                "missing": ready.missing,
                "ready": ready.why_not is None,
                "why_not": ready.why_not,
                "ready_to_replace": ready.why_not_replace is None,
                "why_not_replace": ready.why_not_replace,
            }
        )

    async def teach(self, request: Request) -> Response:
        """Begins: ``{"replace": false, "max_drop": 0.01}``, both optional."""
        given = await read_object(request, _LARGEST_JSON, self._service.settings.limits.silent_s, _EXAMPLE)
        forget, max_drop = given.get("replace", False), given.get("max_drop", self._service.settings.teach.max_drop)
        if not isinstance(forget, bool):
            return refusal(400, f"replace is true or false; send {_EXAMPLE}")
        if isinstance(max_drop, bool) or not isinstance(max_drop, int | float) or not 0 <= max_drop <= 1:
            return refusal(400, f"max_drop is a fraction from 0 to 1; send {_EXAMPLE}")
        model = self._model(request)
        return await self._begun(lambda: self._teacher.teach(model, forget=forget, max_drop=float(max_drop)), 202)

    async def cancel(self, request: Request) -> Response:  # there is at most one
        """Ends what runs."""
        return await self._begun(self._teacher.cancel, 200)

    async def rank(self, request: Request) -> Response:
        """Begins to look which frames to label next."""
        model = self._model(request)
        return await self._begun(lambda: self._teacher.rank(model), 202)

    async def next(self, request: Request) -> Response:
        """Which frames to label next, the most useful first, as of the last time that this was looked at."""
        model = self._model(request)
        if model not in self._service.models:
            return self._no_model()
        return answer(await self._threads.run(lambda: self._next(model)))

    def _next(self, model: str) -> Mapping[str, Any]:
        ranked, store = self._teacher.ranked(model), self._frames.store
        running = self._teacher.running
        waiting = [frame.record.id for frame in self._frames.to_rank(model)]
        found: list[tuple[StoredFrame, dict[str, Any]]] = []
        for named in () if ranked is None else ranked.frames:
            frame = None if store is None else store.get(named.id)
            if frame is not None and frame.given_label is None:  # else it was labelled or discarded since
                found.append((frame, {"guess": named.guess, "guess_score": named.score, "why": named.reason}))
        return {
            "running": running is not None and running.model == model,
            "at": None if ranked is None else ranked.at,
            "reason": None if ranked is None else ranked.reason,
            "new": len(waiting) if ranked is None else len(set(waiting) - ranked.looked_at),
            "frames": [{**frame_values(frame), **why} for frame, why in found],
            "total": len(found),
            "bytes": sum(frame.size_bytes for frame, _ in found),
        }

    async def _begun(self, begin: Callable[[], str], status: int) -> Response:
        try:
            return answer({"id": await self._threads.run(begin)}, status)
        except EdgeCNNError as error:
            return refusal_of(error, _STATUS)

    def _no_model(self) -> Response:
        return refusal(404, f"no such model; there are {', '.join(self._service.models)}")

    def _model(self, request: Request) -> str:
        return request.query_params.get("model", self._service.first_model.name)[:_LONGEST_NAME]


def _last(last: LastTeaching) -> dict[str, Any]:
    report = {} if last.report is None else as_json(last.report)
    return {
        "id": last.id,
        "state": last.state,
        "reason": _without_flags(last.reason),
        "at": last.at,
        "swap": None if last.swap is None else {"id": last.swap.id, "sha256": last.swap.sha256},
        **{key: report.get(key) for key in _TOLD},
        "notes": [_without_flags(note) for note in report.get("notes", ())],
        "skipped": len(report.get("skipped", ())),
    }


def _without_flags(text: str) -> str:
    """A line of `edgecnn teach` with the settings of the service in place of flags."""
    return text.replace("--max-drop", "max_drop in [teach] of the settings").replace("--replace", '"replace"')
