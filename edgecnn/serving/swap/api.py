"""``/api/models`` and ``/api/rollback``: model swaps over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, OutputError, UsageError
from edgecnn.plain_json import as_json
from edgecnn.serving.engine.model_record import model_record
from edgecnn.serving.http.answers import answer, refusal, refusal_of
from edgecnn.serving.http.bodies import read_object, stream_body
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.threads import in_own_thread
from edgecnn.serving.settings.settings import Settings
from edgecnn.serving.swap.errors import AlreadyServingError, NoSuchSwapError, SwapBusyError, SwapRefusedError
from edgecnn.serving.swap.records import DifferingFrame, LastSwap, ShadowReport, SwapReport, SwapTicket
from edgecnn.serving.swap.swaps import Swaps

__all__ = ["ModelsApi"]

_PIECE = 1 << 20  # bytes that are written at once
_LARGEST_JSON = 10_000
_LONGEST_NAME = 64
_STATUS: tuple[tuple[type[EdgeCNNError], int], ...] = (
    (UsageError, 404),
    (NoSuchSwapError, 409),
    (AlreadyServingError, 409),
    (SwapBusyError, 409),
    (SwapRefusedError, 422),
    (OutputError, 507),
)


class ModelsApi:
    """Answers the requests.

    Args:
        swaps: what they are about.
        settings: limits and the rules of a swap.
    """

    def __init__(self, swaps: Swaps, settings: Settings) -> None:
        self._swaps = swaps
        self._settings = settings
        self._receiving = False

    def endpoints(self) -> Sequence[Endpoint]:
        """The paths."""
        return (
            Endpoint("/api/models", self.models, "read"),
            Endpoint("/api/models", self.submit, "change", "POST"),
            Endpoint("/api/models/accept", self.accept, "change", "POST"),
            Endpoint("/api/models/reject", self.reject, "change", "POST"),
            Endpoint("/api/rollback", self.roll_back, "change", "POST"),
            Endpoint("/api/models/shadow/{id}/images/{number}", self.image, "read"),
        )

    async def models(self, request: Request) -> Response:
        """Every model: what serves, what served before, what is in the shadow, and how the last swap ended."""
        reports = [self._swaps.report(name) for name in self._swaps.models]
        return answer({"models": [self._report(report) for report in reports]})

    async def submit(self, request: Request) -> Response:
        """A new file as the body. 202 once it has passed all checks, else 4xx with the reason."""
        if self._receiving:
            return refusal(409, "another model file is arriving or being checked; try again when that has ended")
        model = self._model(request)
        if model not in self._swaps.models:
            return refusal(404, _no_model(self._swaps))
        self._receiving = True
        try:
            return await self._received(request, model)
        finally:
            self._receiving = False

    async def accept(self, request: Request) -> Response:
        """The new model takes over now: ``{"id": …}``."""
        return await self._decided(request, self._swaps.accept)

    async def reject(self, request: Request) -> Response:
        """The new model is dropped: ``{"id": …}``."""
        return await self._decided(request, self._swaps.reject)

    async def roll_back(self, request: Request) -> Response:
        """The previous model serves again."""
        return await self._told(partial(self._swaps.roll_back, self._model(request)), 200)

    async def image(self, request: Request) -> Response:
        """A frame on which the models differ, as a small JPEG. It is there until the next swap ends."""
        number, swap_id = request.path_params["number"], request.path_params["id"]
        for name in self._swaps.models:
            report = self._swaps.report(name)
            for swap in (report.shadow, report.last):
                if swap is not None and swap.ticket.id == swap_id and (jpeg := _image(swap.differing, number)):
                    return Response(jpeg, media_type="image/jpeg")
        return refusal(404, "no such image; GET /api/models lists them")

    async def _received(self, request: Request, model: str) -> Response:
        """Writes the body to a file as it comes, and submits that."""
        try:
            file = await to_thread.run_sync(self._swaps.new_file, model)
        except OutputError as error:
            return refusal(507, str(error))
        try:
            try:
                await self._write(request, file)
            except OSError as error:
                return refusal(507, f"the model cannot be stored: {error.strerror}; free disk space and send it again")
            submit = partial(self._swaps.submit, file, model, move=True, name="upload")
            return await self._told(submit, 202)
        finally:
            with suppress(OSError):
                file.unlink(missing_ok=True)

    async def _write(self, request: Request, file: Path) -> None:
        limits = self._settings.limits
        with await to_thread.run_sync(file.open, "wb") as out:
            piece = bytearray()
            async for part in stream_body(request, round(limits.model_mb * 1e6), limits.silent_s):
                piece += part
                if len(piece) >= _PIECE:
                    await to_thread.run_sync(out.write, bytes(piece))
                    piece.clear()
            await to_thread.run_sync(out.write, bytes(piece))

    async def _decided(self, request: Request, decide: Callable[[str, str | None], SwapTicket]) -> Response:
        given = await read_object(request, _LARGEST_JSON, self._settings.limits.silent_s, '{"id": "…"}')
        swap_id = given.get("id")
        if swap_id is not None and not isinstance(swap_id, str):
            return refusal(400, 'the id is no text; send {"id": "…"}')
        return await self._told(partial(decide, self._model(request), swap_id), 200)

    async def _told(self, work: Callable[[], SwapTicket], status: int) -> Response:
        """Does what takes long, and answers with its ticket, or with why there is none."""
        try:
            return answer(await in_own_thread(work), status)
        except EdgeCNNError as error:
            return refusal_of(error, _STATUS)

    def _model(self, request: Request) -> str:
        return request.query_params.get("model", self._swaps.models[0])[:_LONGEST_NAME]

    def _report(self, report: SwapReport) -> dict[str, Any]:
        return {
            "name": report.name,
            "serving": model_record(report.serving),
            "previous": None if report.previous is None else model_record(report.previous),
            "shadow": None if report.shadow is None else self._shadow(report.shadow),
            "last": None if report.last is None else self._last(report.last),
        }

    def _shadow(self, shadow: ShadowReport) -> dict[str, Any]:
        return {
            "id": shadow.ticket.id,
            "sha256": shadow.ticket.sha256,
            "file": shadow.file,
            "labels": shadow.loaded.labels,
            "state": shadow.state,
            "frames": shadow.frames,
            "wanted_frames": shadow.wanted_frames,
            "agreement": shadow.agreement,
            "min_agreement": self._settings.swap.min_agreement,
            "mode": self._settings.swap.mode,
            "differing": _differing(shadow),
        }

    @staticmethod
    def _last(last: LastSwap) -> dict[str, Any]:
        return {
            "id": last.ticket.id,
            "state": last.state,
            "sha256": last.ticket.sha256,
            "reason": last.reason,
            "at": last.at,
            "frames": last.frames,
            "agreement": last.agreement,
            "differing": _differing(last),
        }


def _differing(swap: ShadowReport | LastSwap) -> list[dict[str, Any]]:
    images = f"/api/models/shadow/{swap.ticket.id}/images"
    return [_frame(frame, f"{images}/{i}") for i, frame in enumerate(swap.differing)]


def _image(differing: Sequence[DifferingFrame], number: str) -> bytes | None:
    """The image with this number; None: there is none."""
    return next((frame.jpeg for i, frame in enumerate(differing) if str(i) == number), None)


def _frame(frame: DifferingFrame, image: str) -> dict[str, Any]:
    return {
        "number": frame.number,
        "view": "an image of a request" if frame.view is None else frame.view,
        "captured_at": frame.captured_at,
        "serving": as_json(frame.serving),
        "shadow": as_json(frame.shadow),
        "image": image,
    }


def _no_model(swaps: Swaps) -> str:
    return f"no such model; there are {', '.join(swaps.models)}"
