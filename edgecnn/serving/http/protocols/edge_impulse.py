"""``GET /api/info`` and ``POST /api/image``, as Edge Impulse's runner has them.

The form of the answers follows the HTTP server of edge-impulse-linux-runner 1.25.2 (github.com/edgeimpulse/
edge-impulse-linux-cli: ``cli/linux/runner-utils.ts``, ``library/classifier/linux-impulse-runner-types.ts``), read in
November 2026. It differs from that server where that server's answer would mislead: all errors are JSON, and a refused
image is 422.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.manifest import Resize
from edgecnn.plain_json import as_json
from edgecnn.serving.http.answers import answer
from edgecnn.serving.http.classify import Answered, ImageClassifier
from edgecnn.serving.http.endpoint import Endpoint

__all__ = ["EdgeImpulseEndpoints"]

_RESIZE: dict[Resize, str] = {"stretch": "squash", "crop": "fit-shortest", "letterbox": "fit-longest"}
_CAMERA = 3  # the number of that sensor


class EdgeImpulseEndpoints:
    """Answers as a runner whose model classifies images; ``?model=NAME`` chooses the model."""

    def __init__(self, classifier: ImageClassifier) -> None:
        self._classifier = classifier

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The paths."""
        return (
            Endpoint("/api/info", self.info, "read"),
            Endpoint("/api/image", self.image, "read", "POST"),
        )

    async def info(self, request: Request) -> Response:
        """What the model is, in the runner's words."""
        model = self._classifier.model(request.query_params.get("model"))
        loaded = model.current
        manifest = loaded.classifier.manifest
        size = manifest.input
        return answer(
            {
                "project": {
                    "id": 0,
                    "owner": "edgecnn",
                    "name": model.name,
                    "deploy_version": int(loaded.sha256[:8], 16),  # a number that is another one for another file
                },
                "modelParameters": {
                    "model_type": "classification",
                    "sensor": _CAMERA,
                    "sensorType": "camera",
                    "labels": manifest.labels,
                    "label_count": len(manifest.labels),
                    "image_input_width": size.width,
                    "image_input_height": size.height,
                    "image_input_frames": 1,
                    "image_channel_count": 3,
                    "image_resize_mode": _RESIZE[manifest.preprocess.resize],
                    "input_features_count": size.width * size.height,  # of an image, a feature is a pixel
                    "axis_count": 1,
                    "frequency": 0,
                    "interval_ms": 1,
                    "slice_size": 0,
                    "use_continuous_mode": False,
                    "has_anomaly": 0,
                    "has_visual_anomaly_detection": False,
                    "has_object_tracking": False,
                    "has_performance_calibration": False,
                    "thresholds": [],
                },
                "model_sha256": loaded.sha256,
            }
        )

    async def image(self, request: Request) -> Response:
        """The probabilities of all classes. Where EdgeCNN gives no label, ``info`` says why."""
        model = self._classifier.model(request.query_params.get("model"))
        async with self._classifier.upload(request, form_only=True) as upload:
            answered = await self._classifier.classify(request, upload, model)
        return answer(_result(answered))


def _result(answered: Answered) -> dict[str, object]:
    prediction, loaded = answered.answer.prediction, answered.loaded
    # Of an invalid output no number is shown: a client would take the largest for an answer
    decided = prediction.status != "no_decision"
    probabilities = answered.answer.probabilities.tolist() if decided else []
    times = prediction.latency_ms
    found: dict[str, object] = {
        "result": {
            "classification": dict(zip(loaded.labels, probabilities, strict=decided)),
            "resizeMode": _RESIZE[loaded.classifier.manifest.preprocess.resize],
            "resized": _resized(answered),
        },
        "timing": {"dsp": times.preprocess or 0, "classification": times.inference or 0, "anomaly": 0},
        "status": prediction.status,
        "label": prediction.label,
        "model_sha256": prediction.model_sha256,
    }
    if prediction.reason is not None:
        found["info"] = f"{prediction.status}: {prediction.reason}"
    return dict(as_json(found))


def _resized(answered: Answered) -> dict[str, int]:
    wanted = answered.loaded.classifier.manifest.input
    return {
        "originalWidth": answered.width,
        "originalHeight": answered.height,
        "newWidth": wanted.width,
        "newHeight": wanted.height,
    }
