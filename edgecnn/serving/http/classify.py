"""``POST /api/classify``: classifies an image that the request holds."""

from __future__ import annotations

import time

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, ImageError
from edgecnn.preprocess import decode
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.answers import answer, refusal
from edgecnn.serving.http.bodies import stream_body

__all__ = ["ClassifyEndpoint", "ImageClassifier", "read_image_body"]

_AT_ONCE = 2  # requests that are decoded and classified at the same time; the others wait


class ImageClassifier:
    """Decodes and classifies images of requests, few at a time, in threads beside the event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._most_pixels = round(service.settings.limits.megapixels * 1e6)
        self._limiter: CapacityLimiter | None = None

    async def classify(self, content: bytes, name: str, model: str | None) -> Prediction:
        """Classifies an encoded image.

        Args:
            content: the bytes of an image file.
            name: what the answer calls it.
            model: name of the model; None: the first one.

        Raises:
            HTTPException: 404, there is no such model.
            ImageError: the image cannot be read.
            ProviderError: the model failed.
        """
        if model is not None and model not in self._service.models:
            raise HTTPException(404, "no such model; /api/state lists them")
        if self._limiter is None:  # it belongs to the loop that runs now
            self._limiter = CapacityLimiter(_AT_ONCE)
        return await to_thread.run_sync(self._classify, content, name, model, limiter=self._limiter)

    def _classify(self, content: bytes, name: str, model: str | None) -> Prediction:
        served = self._service.first_model if model is None else self._service.models[model]
        captured_s, start_s = time.monotonic(), time.perf_counter()
        image = decode(content, name, self._most_pixels, "bgr")
        decode_ms = (time.perf_counter() - start_s) * 1e3
        frame = Frame(image, name, decode_ms=decode_ms, captured_monotonic_s=captured_s)
        loaded = served.current  # once: a swap may come between two uses
        prediction = loaded.classifier.answer([frame])[0].prediction
        if (shadow := served.shadow) is not None:
            shadow.watch(None, frame, 0, prediction)
        return prediction


async def read_image_body(request: Request, service: Service, field: str = "file") -> tuple[bytes, str]:
    """The image of a request: its body, or the file of a multipart form. Returns its bytes and its name.

    Raises:
        HTTPException: the body is too large, too slow, empty, or a form without that file.
    """
    limits = service.settings.limits
    most = round(limits.body_mb * 1e6)
    pieces = stream_body(request, most, limits.silent_s)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        content, name = b"".join([piece async for piece in pieces]), "image"
    else:
        try:
            form = await MultiPartParser(request.headers, pieces, max_files=1, max_fields=10).parse()
        except MultiPartException as error:
            raise HTTPException(400, f"this is no multipart form: {error.message}") from None
        except KeyError:
            raise HTTPException(400, "this multipart form has no boundary") from None
        upload = form.get(field)
        if not isinstance(upload, UploadFile):
            raise HTTPException(400, f"the form has no file '{field}'")
        content, name = await upload.read(), upload.filename or "image"
        await form.close()
    if not content:
        raise HTTPException(400, "the request holds no image; send its bytes as the body, or as the form file 'file'")
    return content, name


class ClassifyEndpoint:
    """Answers with a line of ``edgecnn predict --format jsonl``; ``?model=NAME`` chooses the model."""

    def __init__(self, service: Service, classifier: ImageClassifier) -> None:
        self._service = service
        self._classifier = classifier

    async def __call__(self, request: Request) -> Response:
        """200, or 4xx with the reason."""
        content, name = await read_image_body(request, self._service)
        try:
            return answer(await self._classifier.classify(content, name, request.query_params.get("model")))
        except ImageError as error:
            return refusal(422, str(error))
        except EdgeCNNError as error:
            return refusal(500, str(error))
