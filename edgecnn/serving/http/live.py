"""The live image of each source, and the state of everything."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from edgecnn._version import __version__
from edgecnn.plain_json import as_json
from edgecnn.serving.accuracy.record import accuracy_record
from edgecnn.serving.engine.model_record import model_record
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.broadcast import Broadcast, event_record
from edgecnn.serving.http.threads import FewThreads

__all__ = ["LiveEndpoints"]

_LONGEST_WAIT_S = 10.0
_ENCODERS = 2  # threads: inference needs the cores more


class LiveEndpoints:
    """``/api/state`` and ``/api/sources/NAME/image``."""

    def __init__(self, service: Service, broadcast: Broadcast) -> None:
        self._service = service
        self._broadcast = broadcast
        self._encoding = FewThreads(_ENCODERS)

    async def state(self, request: Request) -> Response:
        """Sources, models, decisions, and the last events."""
        service = self._service
        return answer(
            {
                "device": service.settings.device,
                "version": __version__,
                "uptime_s": time.monotonic() - service.started_s,
                "max_state_age_s": service.settings.max_state_age_s,
                "sources": [
                    {**as_json(source.status()), "views": source.view_names, "regions": self._regions(name)}
                    for name, source in service.sources.items()
                ],
                "models": [
                    {
                        "name": model.name,
                        "current": model_record(model.current),
                        "previous": None if model.previous is None else model_record(model.previous),
                    }
                    for model in service.models.values()
                ],
                "states": [{**as_json(key), **as_json(state)} for key, state in service.latest.states().items()],
                "accuracy": [accuracy_record(key, found) for key, found in service.accuracy.all().items()],
                "events": [
                    {"kind": kind, **record} for kind, record in (event_record(event) for event in tuple(service.log))
                ],
            }
        )

    async def image(self, request: Request) -> Response:
        """The newest frame of a source as JPEG; with ``?after=N``, one with a larger number, as soon as it is there.

        The header ``X-Frame`` is its number, which its decisions have too. 204: no such frame came in ten seconds.
        """
        source = self._service.sources.get(request.path_params["source"])
        if source is None:
            return refusal(404, "no such source; /api/state lists them")
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdecimal() or len(after) > 18:
            return refusal(400, "after is a frame's number, at least 0")
        end_s = time.monotonic() + _LONGEST_WAIT_S
        while source.image.number <= int(after):
            left_s = end_s - time.monotonic()
            if left_s <= 0 or self._broadcast.closed:
                return Response(status_code=204)
            await self._broadcast.next_frame(source.name, left_s)
        encoded = await self._encoding.run(source.image.encode)
        if encoded is None:
            return Response(status_code=204)
        headers = {"X-Frame": str(encoded.number), "X-Captured-At": encoded.captured_at}
        headers["X-Frame-Size"] = f"{encoded.width}x{encoded.height}"
        return Response(encoded.content, media_type="image/jpeg", headers=headers)

    def _regions(self, source: str) -> list[dict[str, str]]:
        return [region.model_dump() for region in self._service.regions(source)]
