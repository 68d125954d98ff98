"""``PUT /api/sources/NAME/regions``: the regions that were drawn on the page."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.bodies import read_object
from edgecnn.serving.settings.settings import RegionSettings

__all__ = ["RealignEndpoint", "RegionsEndpoint"]

T = TypeVar("T")

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
        source = _source_of(request, self._service)
        values = await read_object(request, _MOST_BYTES, self._service.settings.limits.silent_s, _EXAMPLE)
        try:
            drawn = _Drawn.model_validate(values)
        except ValidationError as error:
            return refusal(422, _first_fault(error))
        await _change(partial(self._service.draw_regions, source, drawn.regions))
        return answer({"regions": _regions_of(source, self._service)})


class RealignEndpoint:
    """``POST /api/sources/NAME/realign``: the regions follow a camera that was moved."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, request: Request) -> Response:
        """200 with the shift and the regions as they are now, or 4xx with the reason."""
        source = _source_of(request, self._service)
        shift = await _change(partial(self._service.realign, source))
        return answer({"shift": shift, "regions": _regions_of(source, self._service)})


def _source_of(request: Request, service: Service) -> str:
    """The name of the source in the path. Raises :class:`HTTPException`: 404, there is none."""
    source: str = request.path_params["source"]
    if source not in service.sources:
        raise HTTPException(404, "no such source; /api/state lists them")
    return source


def _regions_of(source: str, service: Service) -> list[dict[str, str]]:
    return [region.model_dump() for region in service.regions(source)]


async def _change(call: Callable[[], T]) -> T:
    """Does something in a thread. Raises :class:`HTTPException`: 422, it cannot be done; 500, it failed."""
    try:
        return await to_thread.run_sync(call)
    except UsageError as error:
        raise HTTPException(422, str(error)) from None
    except EdgeCNNError as error:
        raise HTTPException(500, str(error)) from None


def _first_fault(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part + 1) if isinstance(part, int) else part for part in found["loc"])
    return f"{place or 'body'}: {found['msg'].removeprefix('Value error, ')}; expected {_EXAMPLE}"
