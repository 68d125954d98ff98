"""An explanation as the page and other programs get it. Images are data URLs."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2

from edgecnn.features.taught_images import SimilarImage
from edgecnn.image.heatmap import heat_layer
from edgecnn.runtime.decision import Prediction, Score, Status
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.explanation import Explainer, Explanation
from edgecnn.serving.engine.frame_encoding import small_jpeg

__all__ = [
    "AnswerRecord",
    "SimilarRecord",
    "WhyRecord",
    "answer_record",
    "explained_record",
    "image_url",
    "similar_records",
]

_WIDEST = 480  # pixels of the image
_LONGEST = 160  # pixels of a map: the network's own has a few dozen positions
_QUALITY = 75


@dataclass(frozen=True, kw_only=True)
class AnswerRecord:
    """What one model answers, and its map."""

    model_sha256: str
    status: Status
    reason: str | None
    label: str | None
    score: float | None
    top: tuple[Score, ...]
    map: str | None  # PNG to be laid over the image
    map_label: str | None  # the class whose map it is: the best one, an `unknown` answer's too
    map_reason: str | None  # why there is none, or what to know of it


@dataclass(frozen=True)
class SimilarRecord:
    """A taught image."""

    label: str
    file: str
    similarity: float  # estimated cosine of the features, -1 to 1
    thumbnail: str | None


@dataclass(frozen=True, kw_only=True)
class WhyRecord(AnswerRecord):
    """The whole explanation."""

    model: str
    view: str
    captured_at: str
    image: str  # JPEG of what was classified
    nearest: tuple[SimilarRecord, ...]
    nearest_reason: str | None
    before: AnswerRecord | None  # of the previous model


def answer_record(
    prediction: Prediction, map_reason: str | None, map_url: str | None, label: str | None
) -> AnswerRecord:
    """What one model answers."""
    return AnswerRecord(
        model_sha256=prediction.model_sha256,
        status=prediction.status,
        reason=prediction.reason,
        label=prediction.label,
        score=prediction.score,
        top=prediction.top,
        map=map_url,
        map_label=label,
        map_reason=map_reason,
    )


def explained_record(explainer: Explainer, found: Explanation, frame: Frame) -> AnswerRecord:
    """What one model answers, with its map."""
    if not found.maps:
        return answer_record(found.prediction, found.map_reason, None, None)
    drawn = found.maps[0]
    label = found.prediction.top[0].label
    reason = None if drawn.heat.any() else f"no place of the image speaks for '{label}'"
    layer = cv2.cvtColor(heat_layer(explainer.heat(drawn, frame, _LONGEST)), cv2.COLOR_RGBA2BGRA)
    _, content = cv2.imencode(".png", layer, [cv2.IMWRITE_PNG_COMPRESSION, 6])
    return answer_record(found.prediction, reason, _url("png", content.tobytes()), label)


def image_url(frame: Frame) -> str:
    """The image of a frame, made smaller."""
    return _url("jpeg", small_jpeg(frame, _WIDEST, _QUALITY, cv2.INTER_AREA))


def similar_records(nearest: tuple[SimilarImage, ...]) -> tuple[SimilarRecord, ...]:
    """The taught images."""
    return tuple(
        SimilarRecord(
            similar.image.label,
            similar.image.file,
            similar.similarity,
            None if similar.image.thumbnail is None else _url("jpeg", similar.image.thumbnail),
        )
        for similar in nearest
    )


def _url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
