"""Turns probabilities into a :class:`Prediction`: a label, or the reason why there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.runtime.sources.frame import Frame, now_rfc3339

__all__ = ["Decision", "LatencyMs", "Missing", "Prediction", "Score", "Status", "decide"]

Status = Literal["ok", "unknown", "no_decision", "error"]

_NO_IMAGE = np.empty((0, 0, 3), np.uint8)

_FEW = 64  # classes: for so few NumPy's way of starting a step costs more than the step

_Values: TypeAlias = "list[float] | NDArray[np.float32]"  # [C]: a list of few, an array of many


@dataclass(frozen=True)
class Score:
    """One class and its probability."""

    label: str
    score: float


@dataclass(frozen=True)
class LatencyMs:
    """Latency per step, in milliseconds; None if the step did not run."""

    decode: float | None
    preprocess: float | None
    inference: float | None
    total: float


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image. ``label``, ``index`` and ``score`` are None unless ``status`` is ``ok``."""

    source: str | None
    frame: int | None  # its place in the source; None where none came: the source is away
    captured_at: str  # RFC 3339: when the image was taken in
    media_time_s: float | None  # position in a video
    age_ms: float  # from capture to answer
    status: Status
    reason: str | None  # why the status is not `ok`
    label: str | None
    index: int | None
    score: float | None
    top: tuple[Score, ...]  # best first; the guess of an `unknown` stays here
    latency_ms: LatencyMs
    ep: str
    model_sha256: str
    region: str | None = None  # X,Y,WIDTH,HEIGHT of the part that was classified; None: the whole image

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        # Not at the top: only notebooks need it
        from edgecnn.runtime.notebook_html import answer_html  # noqa: PLC0415

        given = f"{self.label} ({self.score:.2f})" if self.score is not None else self.status.replace("_", " ")
        reason = f": {self.reason}" if self.reason else ""
        footer = (f"{self.latency_ms.total:.1f} ms", self.ep, f"model {self.model_sha256[:12]}")
        named = (self.source,) if self.source else ()
        return answer_html(f"{given}{reason}", [(one.label, one.score) for one in self.top], (*named, *footer))

    @classmethod
    def decided(
        cls, frame: Frame, decision: Decision, labels: Sequence[str], latency_ms: LatencyMs, ep: str, model_sha256: str
    ) -> Prediction:
        """Creates the prediction for a frame from its decision.

        Args:
            frame: the frame.
            decision: label and score, or the reason why there are none.
            labels: the class names, in the order of the probabilities.
            latency_ms: latency per step, in milliseconds.
            ep: the execution provider that ran the model.
            model_sha256: SHA-256 of the model file.
        """
        return cls(
            source=frame.name,
            frame=frame.index,
            captured_at=frame.captured_at,
            media_time_s=frame.media_time_s,
            age_ms=(time.monotonic() - frame.captured_monotonic_s) * 1e3,
            status=decision.status,
            reason=decision.reason,
            label=None if decision.index is None else labels[decision.index],
            index=decision.index,
            score=decision.score,
            top=decision.top,
            latency_ms=latency_ms,
            ep=ep,
            model_sha256=model_sha256,
            region=frame.region,
        )

    @classmethod
    def rejected(cls, frame: Frame, reason: str, ep: str, model_sha256: str) -> Prediction:
        """Creates the `no_decision` prediction for a frame of insufficient quality, with the reason."""
        latency_ms = LatencyMs(frame.decode_ms, None, None, frame.decode_ms or 0.0)
        return cls.decided(frame, Decision.none("no_decision", reason), (), latency_ms, ep, model_sha256)

    @classmethod
    def unavailable(cls, missing: Missing, ep: str, model_sha256: str) -> Prediction:
        """Creates the `error` prediction for an image that cannot be read or a camera that is offline."""
        shell = Frame(
            _NO_IMAGE, missing.source or "", missing.frame or 0, captured_at=missing.captured_at or now_rfc3339()
        )
        report = cls.decided(
            shell, Decision.none(missing.status, missing.reason), (), LatencyMs(None, None, None, 0.0), ep, model_sha256
        )
        return replace(report, source=missing.source, frame=missing.frame, age_ms=0.0, region=missing.region)


@dataclass(frozen=True)
class Missing:
    """An image that cannot be read or a source that is offline, and the reason."""

    status: Status
    reason: str
    source: str | None
    frame: int | None  # its place in the source; None: the source itself is away
    captured_at: str | None = None  # RFC 3339; None: now
    region: str | None = None  # of the image that was to be classified; None: all of it


@dataclass(frozen=True)
class Decision:
    """Status, label and score for one image, without times and source."""

    status: Status
    reason: str | None
    index: int | None
    score: float | None
    top: tuple[Score, ...]

    @classmethod
    def none(cls, status: Status, reason: str, top: tuple[Score, ...] = ()) -> Decision:
        """Creates a decision without a class, with the reason."""
        return cls(status, reason, None, None, top)


def decide(
    probabilities: NDArray[np.float32],
    labels: tuple[str, ...],
    threshold: float,
    topk: int,
    unknown_score: float | None = None,
    allowed_indices: AbstractSet[int] | None = None,
) -> Decision:
    """Decides on the status and label of one image.

    Args:
        probabilities: float32 ``[C]``.
        labels: C names.
        threshold: rejection threshold. The answer is ``unknown`` if the largest probability is below it or, if given,
            ``unknown_score`` is above it.
        topk: number of classes to report.
        unknown_score: output of the graph; None if the manifest's rule uses the largest probability.
        allowed_indices: indices of the classes that may be the answer, at least one; None: all. If another class is
            more probable than all of these, the answer is ``unknown``.

    Returns:
        The decision. Its status is ``no_decision`` for invalid outputs: probabilities that are not finite, do not sum
        to 1 or are all equal, and an unknown score that is not finite.
    """
    values = probabilities.tolist() if len(probabilities) <= _FEW else probabilities
    if (fault := _fault(values, unknown_score)) is not None:
        return Decision.none("no_decision", f"invalid output: {fault}")
    ranked = _ranked(values, topk if allowed_indices is None else len(values))
    likeliest = ranked[0]
    order = ranked if allowed_indices is None else [i for i in ranked if i in allowed_indices][:topk]
    scores = [float(values[i]) for i in order]
    best, score = order[0], scores[0]
    top = tuple([Score(labels[i], score) for i, score in zip(order, scores, strict=True)])
    if best != likeliest:
        told = f"'{labels[likeliest]}' ({values[likeliest]:.2f}) is more probable than every allowed label"
        return Decision.none("unknown", told, top)
    if unknown_score is None and score < threshold:
        return Decision.none("unknown", f"score {score:.2f} is below the threshold {threshold:.2f}", top)
    if unknown_score is not None and unknown_score > threshold:
        told = f"unknown score {unknown_score:.3f} is above the threshold {threshold:.3f}"
        return Decision.none("unknown", told, top)
    return Decision(status="ok", reason=None, index=best, score=score, top=top)


def _fault(values: _Values, unknown_score: float | None) -> str | None:
    """Returns why the outputs are invalid; None if they are valid."""
    total, least, most = _extent(values)
    if not math.isfinite(total):  # then one of them is not
        return f"a probability is {next(value for value in values if not math.isfinite(value)):g}"
    if abs(total - 1) > 1e-3 or least < 0:
        return f"the probabilities sum to {total:g} instead of 1, or one is negative"
    if least == most:
        return "all probabilities are equal"
    if unknown_score is not None and not math.isfinite(unknown_score):
        return f"the unknown score is {unknown_score:g}"
    return None


def _extent(values: _Values) -> tuple[float, float, float]:
    """Returns sum, minimum and maximum."""
    if isinstance(values, list):
        return sum(values), min(values), max(values)
    # After an inference NumPy's first sum takes ten times as long, and min and max twice as long as these
    total = cv2.sumElems(values)[0]
    return total, float(values[values.argmin()]), float(values[values.argmax()])


def _ranked(values: _Values, most: int) -> list[int]:
    """Returns up to ``most`` class indices, the most probable first. Of equal ones the lower index comes first."""
    if isinstance(values, list):
        return sorted(range(len(values)), key=values.__getitem__, reverse=True)[:most]
    if most > _FEW:
        return cast("list[int]", (-values).argsort(kind="stable")[:most].tolist())
    left, ranked = values.copy(), []
    for _ in range(most):  # sorting a thousand classes takes longer than looking for five of them
        ranked.append(int(left.argmax()))  # of equal ones the first; minMaxLoc's is any
        left[ranked[-1]] = -np.inf
    return ranked
