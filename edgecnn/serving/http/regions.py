"""``PUT /api/sources/NAME/regions``: the regions that were drawn on the page."""

from __future__ import annotations

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.plain_json import as_json
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.bodies import read_object
from edgecnn.serving.settings.settings import RegionSettings

__all__ = ["RealignEndpoint", "RegionsEndpoint"]

_MOST_BYTES = 65_536
_EXAMPLE = '{"regions": [{"name": "left", "roi": "0,0,0.5,1"}]}'


class _Drawn(BaseModel):
    """The body of the request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions: tuple[RegionSettings, ...]


class RegionsEndpoint:
    """Replaces the regions of a source; none: the whole frame is classified."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Response:
        """200 with the regions as they are now, or 4xx with the reason."""
        source = request.path_params["source"]
        if source not in self._service.sources:
            return refusal(404, "no such source; /api/state lists them")
        values = await read_object(request, _MOST_BYTES, self._service.settings.limits.silent_s, _EXAMPLE)
        try:
            drawn = _Drawn.model_validate(values)
            await to_thread.run_sync(self._service.draw_regions, source, drawn.regions)
        except ValidationError as error:
            return refusal(422, _first_fault(error))
        except UsageError as error:
            return refusal(422, str(error))
        except EdgeCNNError as error:
            return refusal(500, str(error))
        return answer({"regions": [region.model_dump() for region in self._service.regions(source)]})


class RealignEndpoint:
    """``POST /api/sources/NAME/realign``: the regions follow a camera that was moved."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Response:
        """200 with the shift and the regions as they are now, or 4xx with the reason."""
        source = request.path_params["source"]
        if source not in self._service.sources:
            return refusal(404, "no such source; /api/state lists them")
        try:
            shift = await to_thread.run_sync(self._service.realign, source)
        except UsageError as error:
            return refusal(422, str(error))
        except EdgeCNNError as error:
            return refusal(500, str(error))
        regions = [region.model_dump() for region in self._service.regions(source)]
        return answer({"shift": as_json(shift), "regions": regions})


def _first_fault(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in found["loc"])
    return f"{place or 'body'}: {found['msg'].removeprefix('Value error, ')}; expected {_EXAMPLE}"
