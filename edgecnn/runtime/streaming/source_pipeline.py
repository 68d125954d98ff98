"""The pipeline of one video, camera or stream: quality checks, classification, and smoothing."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import ImageError
from edgecnn.runtime.decision import Missing, Prediction
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import Smoother, SmoothingOptions
from edgecnn.runtime.sources.capture.live_options import Outage
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from edgecnn.runtime.frame_classifier import Answer, FrameClassifier
    from edgecnn.runtime.streaming.region import Region
    from edgecnn.runtime.temporal.source_state import SourceState

__all__ = ["SourcePipeline"]


class SourcePipeline:
    """Processes the frames of one source in order. Each result says whether the prediction changed.

    Args:
        classifier: the model.
        health: limits of the quality checks; None: every frame is fit.
        smoothing: of the answers; None: none.
        source: name of the source; a recurrent model has a state of its own for it.
        region: the part of each frame that is checked and classified; None: the whole frame.
    """

    def __init__(
        self,
        classifier: FrameClassifier,
        health: FrameQualityThresholds | None,
        smoothing: SmoothingOptions | None,
        source: str = "",
        region: Region | None = None,
    ) -> None:
        self._classifier = classifier
        self._region = region
        self._state = None if classifier.states is None else classifier.states.for_stream(source)
        self._health = None
        if health is not None:
            # Not at the top: images need none of it
            from edgecnn.runtime.frame_quality.checker import FrameQualityChecker  # noqa: PLC0415

            self._health = FrameQualityChecker(health)
        self._smoother = (
            None if smoothing is None else Smoother(classifier.labels, smoothing, classifier.allowed_indices)
        )
        self._before: tuple[str, int | None] | None = None
        self.unsmoothed: Prediction | None = None
        """The model's own answer to the last frame, before the smoothing."""
        self.answer: Answer | None = None
        """The same with the outputs of the model; None: the last frame was not classified."""

    def frame(self, frame: Frame) -> tuple[Prediction, bool]:
        """Returns the prediction for a frame, and whether it differs from the previous one.

        A camera or stream may change the size of its frames: one that does not hold the region gets `no_decision`.

        Raises:
            ImageError: an image or a frame of a video does not hold the region.
        """
        if self._region is None:
            return self._classified(frame)
        try:
            part = self._region.crop(frame)
        except ImageError as error:
            if frame.kind != "stream":
                raise
            reason = str(error).removeprefix(f"{frame.name}: ")
            rejected = self._classifier.reject(replace(frame, region=str(self._region)), reason)
            return self._smoothed_and_compared(rejected, None, frame.time_s)
        return self._classified(part)

    def _classified(self, frame: Frame) -> tuple[Prediction, bool]:
        if self._state is not None:
            return self._next(frame, self._state)
        # First, since it reads the whole frame: the few pixels that health looks at are then at hand
        begin = time.perf_counter()
        row = self._classifier.fit(frame)
        fit_ms = (time.perf_counter() - begin) * 1e3
        reason = None if self._health is None else self._health.check(frame)
        if reason is not None:
            return self.reject(frame, reason)
        answer = self.answer = self._classifier.answer([frame], [row], [fit_ms])[0]
        return self._smoothed_and_compared(answer.prediction, answer.probabilities, frame.time_s)

    def reject(self, frame: Frame, reason: str) -> tuple[Prediction, bool]:
        """Returns the prediction for a frame that is not classified, for a reason that the caller found."""
        self.answer = None
        return self._smoothed_and_compared(self._classifier.reject(frame, reason), None, frame.time_s)

    def _next(self, frame: Frame, state: SourceState) -> tuple[Prediction, bool]:
        """The same with a recurrent model. A frame that is not fit leaves the state as it is."""
        reason = None if self._health is None else self._health.check(frame)
        if reason is not None:
            return self.reject(frame, reason)
        answer = self.answer = self._classifier.answer_next(frame, state)
        return self._smoothed_and_compared(answer.prediction, answer.probabilities, frame.time_s)

    def outage(self, outage: Outage) -> tuple[Prediction, bool]:
        """Returns the prediction that reports an outage of the source. It is not smoothed."""
        if self._state is not None:
            self._state.reset()
        reason = f"offline: {outage.reason}; retry in {outage.retry_in_s:g} s"
        away = self._classifier.report_missing(
            Missing(
                status="no_decision",
                reason=reason,
                source=outage.name,
                frame=None,
                captured_at=outage.captured_at,
                region=None if self._region is None else str(self._region),
            )
        )
        return self._compared(away)

    def _smoothed_and_compared(
        self, prediction: Prediction, probabilities: NDArray[np.float32] | None, time_s: float
    ) -> tuple[Prediction, bool]:
        self.unsmoothed = prediction
        if self._smoother is not None:
            prediction = self._smoothed(self._smoother, prediction, probabilities, time_s)
        return self._compared(prediction)

    def _compared(self, prediction: Prediction) -> tuple[Prediction, bool]:
        now = prediction.status, prediction.index
        changed, self._before = now != self._before, now
        return prediction, changed

    def _smoothed(
        self, smoother: Smoother, prediction: Prediction, probabilities: NDArray[np.float32] | None, time_s: float
    ) -> Prediction:
        stands = smoother.update(time_s, prediction.status, probabilities)
        label = None if stands.index is None else self._classifier.labels[stands.index]
        reason = prediction.reason if stands.status == prediction.status == "no_decision" else stands.reason
        return replace(
            prediction, status=stands.status, reason=reason, label=label, index=stands.index, score=stands.score
        )
