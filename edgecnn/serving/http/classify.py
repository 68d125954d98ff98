"""``POST /api/classify``: classifies an image that the request holds."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from edgecnn.errors import EdgeCNNError, ImageError
from edgecnn.runtime.frame_classifier import Answer
from edgecnn.runtime.sources.frame import read_frame_bytes
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.answers import answer
from edgecnn.serving.http.bodies import BodyMemory
from edgecnn.serving.http.threads import FewThreads

__all__ = ["Answered", "ClassifyEndpoint", "ImageClassifier", "Upload"]

log = logging.getLogger("edgecnn")
T = TypeVar("T")

_AT_ONCE = 2  # requests that are decoded and classified at the same time; the others wait
_LONGEST_NAME = 255  # characters of a file's name that an answer repeats


@dataclass(frozen=True)
class Upload:
    """An encoded image that a client sent."""

    content: bytes
    name: str  # what the answer calls it


@dataclass(frozen=True)
class Answered:
    """The answer to an image, with the model that gave it and the image's size."""

    answer: Answer
    loaded: LoadedModel
    width: int  # pixels
    height: int


class ImageClassifier:
    """Reads images of requests and classifies them, few at a time, in threads beside the event loop.

    Args:
        service: has the models.
        rules: tell who has the token.
    """

    def __init__(self, service: Service, rules: AccessRules) -> None:
        logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a warning for each bad form fills a disk
        self._service = service
        self._rules = rules
        self._most_pixels = round(service.settings.limits.megapixels * 1e6)
        self.memory = BodyMemory(service.settings.limits)
        """Of the bodies of all requests."""
        self._threads = FewThreads(_AT_ONCE)

    def model(self, name: str | None) -> ServedModel:
        """The model of a name; None: the first one. Raises :class:`HTTPException`: 404, there is none."""
        if name is None:
            return self._service.first_model
        found = self._service.models.get(name)
        if found is None:
            raise HTTPException(404, f"no such model; there are: {', '.join(self._service.models)}")
        return found

    async def run(self, call: Callable[[], T]) -> T:
        """Computes something in a thread, after those that came before."""
        return await self._threads.run(call)

    async def classify(self, request: Request, upload: Upload, model: ServedModel) -> Answered:
        """Classifies an encoded image.

        A model in the shadow sees it too where the client has the token: what others send must not help to decide
        which model serves.

        Raises:
            HTTPException: 422, the image cannot be read; 500, the model failed.
        """
        shadowed = self._rules.has_token(request)
        try:
            return await self.run(lambda: self._classify(upload, model, shadowed=shadowed))
        except ImageError as error:
            said = str(error).replace("raise --max-megapixels", "raise [limits] megapixels in the settings")
            raise HTTPException(422, said) from None
        except EdgeCNNError:
            log.exception("%s: failed on an image of a client", model.name)
            raise HTTPException(500, "the model failed on this image; the log of the service has it") from None

    def _classify(self, upload: Upload, model: ServedModel, *, shadowed: bool) -> Answered:
        loaded = model.current  # once: a swap may come between two uses
        wanted = loaded.classifier.manifest.model_input
        frame = read_frame_bytes(lambda: upload.content, upload.name, 0, self._most_pixels, wanted)
        found = loaded.classifier.answer([frame])[0]
        if shadowed and (shadow := model.shadow) is not None:
            shadow.watch(None, frame, 0, found.prediction)
        height, width = frame.size
        return Answered(found, loaded, width, height)

    @asynccontextmanager
    async def upload(self, request: Request, *, form_only: bool = False) -> AsyncIterator[Upload]:
        """The image of a request: its body, or the file ``file`` of a multipart form.

        Args:
            request: the request.
            form_only: whether the body must be a form.

        Raises:
            HTTPException: the body is too large, too slow, empty, or a form without that file.
        """
        async with self.memory.stream(request) as pieces:
            if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
                form = await _read_form(request, pieces)
                try:
                    yield await _image_of(form)
                finally:
                    await form.close()
                return
            if form_only:
                raise HTTPException(400, "send a multipart form with the image as its file 'file'")
            content = b"".join([piece async for piece in pieces])
            yield Upload(_not_empty(content), "image")


class _MemoryParser(MultiPartParser):
    """Keeps the file in memory: the bytes are counted there, and a device's disk is slow and wears out."""

    spool_max_size = 1 << 40


async def _read_form(request: Request, pieces: AsyncIterator[bytes]) -> FormData:
    # The client must not choose the codec of names: some are slow, and some are none of text
    headers = Headers({"content-type": request.headers["content-type"] + "; charset=utf-8"})
    try:
        return await _MemoryParser(headers, pieces, max_files=1, max_fields=10).parse()  # type: ignore[arg-type]
    except MultiPartException as error:
        raise HTTPException(400, f"this is no multipart form: {error.message}") from None


async def _image_of(form: FormData) -> Upload:
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise HTTPException(400, "the form has no file 'file'")
    return Upload(_not_empty(await upload.read()), (upload.filename or "image")[-_LONGEST_NAME:])


def _not_empty(content: bytes) -> bytes:
    if not content:
        raise HTTPException(400, "the request holds no image; send its bytes as the body, or as the form file 'file'")
    return content


class ClassifyEndpoint:
    """Answers with a line of ``edgecnn predict --format jsonl``; ``?model=NAME`` chooses the model."""

    def __init__(self, classifier: ImageClassifier) -> None:
        self._classifier = classifier

    async def __call__(self, request: Request) -> Response:
        """200, or 4xx with the reason."""
        model = self._classifier.model(request.query_params.get("model"))
        async with self._classifier.upload(request) as upload:
            answered = await self._classifier.classify(request, upload, model)
        return answer(answered.answer.prediction)
