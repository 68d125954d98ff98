"""The Open Inference Protocol (KServe's V2), so that its clients can use the service as they use Triton."""

from __future__ import annotations

import logging
from typing import cast

import numpy as np
from numpy.typing import NDArray
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecnn._version import __version__
from edgecnn.errors import EdgeCNNError, UsageError
from edgecnn.preprocess import Image
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.http.answers import answer
from edgecnn.serving.http.classify import ImageClassifier
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.protocols.tensors import (
    HEADER,
    InferRequest,
    RequestedOutput,
    Tensor,
    encode_answer,
    read_request,
)
from edgecnn.serving.short_hash import short_hash

__all__ = ["InferenceProtocolEndpoints"]

log = logging.getLogger("edgecnn")

_PER_RUN = 8  # images: the memory of an inference grows with them


class InferenceProtocolEndpoints:
    """``/v2`` and below. The version of a model is the beginning of its file's hash, so every answer tells which file
    gave it, and who asks for a version gets that one or an error."""

    def __init__(self, classifier: ImageClassifier) -> None:
        self._classifier = classifier

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The paths."""
        models = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
        return (
            Endpoint("/v2", self.server, "read"),
            Endpoint("/v2/health/live", self.live, "open"),
            Endpoint("/v2/health/ready", self.ready, "open"),
            *(Endpoint(model, self.metadata, "read") for model in models),
            *(Endpoint(f"{model}/ready", self.model_ready, "read") for model in models),
            *(Endpoint(f"{model}/infer", self.infer, "read", "POST") for model in models),
        )

    async def server(self, request: Request) -> Response:
        """Name, version and extensions of the server."""
        return answer(
            {"name": "edgecnn", "version": __version__, "extensions": ["binary_tensor_data", "classification"]}
        )

    async def live(self, request: Request) -> Response:
        """200: the server answers."""
        return answer({"live": True})

    async def ready(self, request: Request) -> Response:
        """200: the models answer; they are open before the server is. ``/readyz`` tells of the sources."""
        return answer({"ready": True})

    async def metadata(self, request: Request) -> Response:
        """Inputs and outputs of a model."""
        loaded = self._loaded(request)
        size = loaded.classifier.manifest.input
        outputs = [
            {"name": name, "datatype": "FP32", "shape": [-1] if width is None else [-1, width]}
            for name, width in loaded.classifier.session.output_widths.items()
        ]
        return answer(
            {
                "name": request.path_params["model"],
                "versions": [_version(loaded)],
                "platform": "onnxruntime_onnx",
                "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, size.height, size.width, 3]}],
                "outputs": outputs,
                "parameters": {"model_sha256": loaded.sha256, "labels": loaded.labels},
            }
        )

    async def model_ready(self, request: Request) -> Response:
        """200: the model answers."""
        loaded = self._loaded(request)
        return answer({"name": request.path_params["model"], "version": _version(loaded), "ready": True})

    async def infer(self, request: Request) -> Response:
        """The outputs of a model for raw pixels, or 4xx with what is expected."""
        loaded = self._loaded(request)
        async with self._classifier.memory.stream(request) as pieces:
            body = b"".join([piece async for piece in pieces])
            header = request.headers.get(HEADER)
            try:
                content, json_length = await self._classifier.run(
                    lambda: _infer(loaded, request.path_params["model"], body, header)
                )
            except UsageError as error:
                raise HTTPException(400, str(error)) from None
            except EdgeCNNError:
                log.exception("%s: failed on images of a client", request.path_params["model"])
                raise HTTPException(500, "the model failed on these images; the log of the service has it") from None
        if json_length is None:
            return Response(content, media_type="application/json")
        headers = {HEADER: str(json_length)}
        return Response(content, media_type="application/octet-stream", headers=headers)

    def _loaded(self, request: Request) -> LoadedModel:
        """The model that a path names, as it serves now.

        Raises:
            HTTPException: 404, no such model or version; 400, it takes no single images.
        """
        loaded = self._classifier.model(request.path_params["model"]).current
        version = request.path_params.get("version")
        if version is not None and version != _version(loaded):
            raise HTTPException(404, f"this version does not serve; version {_version(loaded)} does")
        if loaded.classifier.session.form != "image":
            raise HTTPException(
                400, "this model needs the frames of a source in their order; this protocol sends single images"
            )
        return loaded


def _version(loaded: LoadedModel) -> str:
    return short_hash(loaded.sha256)


def _infer(loaded: LoadedModel, name: str, body: bytes, header: str | None) -> tuple[bytes, int | None]:
    session, size = loaded.classifier.session, loaded.classifier.manifest.input
    asked = read_request(body, header, size.height, size.width, session.output_widths)
    found = _run(loaded, asked)
    head: dict[str, object] = {"model_name": name, "model_version": _version(loaded)}
    if asked.request_id is not None:
        head["id"] = asked.request_id
    head["parameters"] = {"model_sha256": loaded.sha256}
    tensors = [_tensor(output, found[output.name], loaded.labels) for output in asked.outputs]
    return encode_answer(head, tensors)


def _run(loaded: LoadedModel, asked: InferRequest) -> dict[str, NDArray[np.float32]]:
    """The outputs that were asked for, by name. Raises :class:`HTTPException`: 500, one of them is not finite."""
    names = [output.name for output in asked.outputs]
    parts = [_run_some(loaded, asked.images[i : i + _PER_RUN], names) for i in range(0, len(asked.images), _PER_RUN)]
    found = {name: np.concatenate([part[name] for part in parts]) for name in names}
    for name, values in found.items():
        if not np.isfinite(values).all():
            raise HTTPException(500, f"invalid output: a value of {name} is not finite")
    return found


def _run_some(loaded: LoadedModel, images: Image, names: list[str]) -> dict[str, NDArray[np.float32]]:
    outputs = loaded.classifier.session.outputs(images, [name for name in names if name != "probabilities"])
    by_name = {
        "probabilities": outputs.probabilities,
        "embedding": outputs.embedding,
        "unknown_score": outputs.unknown_scores,
    }
    return {name: cast("NDArray[np.float32]", by_name[name]) for name in names}


def _tensor(output: RequestedOutput, values: NDArray[np.float32], labels: tuple[str, ...]) -> Tensor:
    if not output.classes:
        return Tensor(output.name, values, output.binary)
    rows = tuple(_best(row, output.classes, labels) for row in values)
    return Tensor(output.name, rows, output.binary)


def _best(probabilities: NDArray[np.float32], most: int, labels: tuple[str, ...]) -> tuple[str, ...]:
    """The best classes as ``score:index:label``, the form of the classification extension."""
    order = (-probabilities).argsort(kind="stable")[:most].tolist()
    return tuple(f"{probabilities[i]:f}:{i}:{labels[i]}" for i in order)
