"""``GET /api/sources/NAME/why`` and ``GET /api/collect/ID/why``."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.threads import FewThreads
from edgecnn.serving.why.questions import Questions
from edgecnn.serving.why.record import WhyRecord

__all__ = ["WhyEndpoints"]


class WhyEndpoints:
    """Explains answers, one at a time, in a thread beside the event loop.

    Args:
        service: has the models and sources.
        collect: has the collected frames.
        questions: answers.
    """

    def __init__(self, service: Service, collect: CollectPart, questions: Questions) -> None:
        self._service = service
        self._collect = collect
        self._questions = questions
        self._threads = FewThreads(1)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The paths."""
        return (
            Endpoint("/api/sources/{source}/why", self.newest, "read"),
            Endpoint("/api/collect/{id}/why", self.collected, "read"),
        )

    async def newest(self, request: Request) -> Response:
        """Why a model answers as it does on the newest frame: ``?view=`` ``?model=``."""
        source = request.path_params["source"]
        if source not in self._service.sources:
            return refusal(404, "no such source; /api/state lists them")
        view, model = request.query_params.get("view"), request.query_params.get("model")
        return await self._answer(lambda: self._questions.newest(source, view, model))

    async def collected(self, request: Request) -> Response:
        """Why a model answers as it does on a collected frame: ``?model=``; else the one that answered it then."""
        frame, content = await self._collect.read_frame(request.path_params["id"])
        record = frame.record
        model = request.query_params.get("model")
        if model is not None and model not in self._service.models:
            return refusal(404, f"no such model; there are: {', '.join(self._service.models)}")
        return await self._answer(
            lambda: self._questions.stored(content, record.id, record.view, record.captured_at, model or record.model)
        )

    async def _answer(self, explain: Callable[[], WhyRecord]) -> Response:
        try:
            return answer(await self._threads.run(explain))
        except UsageError as error:
            return refusal(404, str(error))
        except EdgeCNNError as error:
            return refusal(422, str(error))
