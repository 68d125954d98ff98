"""A view is what a model sees of a source: the whole frame, or a region of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.frame_classifier import Answer
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import SmoothingOptions
from edgecnn.runtime.sources.capture.live_options import Outage
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.region import Region
from edgecnn.runtime.streaming.source_pipeline import SourcePipeline
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel

__all__ = ["View", "ViewDecisions"]


@dataclass(frozen=True)
class View:
    """What is classified by itself."""

    source: str
    region_name: str | None = None  # None: the whole frame
    region: Region | None = None

    @property
    def name(self) -> str:
        """Its name in addresses, topics and metrics."""
        return self.source if self.region_name is None else f"{self.source}.{self.region_name}"


class ViewDecisions:
    """Decides on the frames of a view with one or several models. The quality of a frame is checked once.

    Args:
        view: the view.
        models: the models that see it.
        health: thresholds of the quality checks.
        smoothing: of the answers; None: none.
    """

    def __init__(
        self,
        view: View,
        models: Sequence[ServedModel],
        health: FrameQualityThresholds,
        smoothing: SmoothingOptions | None,
    ) -> None:
        self.view = view
        self._checker = FrameQualityChecker(health)
        self._models = [_ModelDecisions(view, model, smoothing) for model in models]

    def frame(self, frame: Frame, number: int, changed: str | None = None) -> Iterator[Decided]:
        """Yields the decision of each model on a frame of the source.

        Args:
            frame: the whole frame.
            number: of the frame.
            changed: why the camera no longer shows this view; None: it does.
        """
        try:
            seen = frame if self.view.region is None else self.view.region.crop(frame)
            found = self._checker.check(seen)  # always: it remembers the frames before
            unfit = changed or found
        except EdgeCNNError as error:  # the region lies outside a frame of this size
            seen, unfit = frame, str(error).removeprefix(f"{frame.name}: ")
        for model in self._models:
            yield model.frame(seen, unfit, number)
        for model in self._models:  # when all decisions are out: a shadow must not hold one up
            model.compare(seen, number)

    def outage(self, outage: Outage, number: int) -> Iterator[Decided]:
        """Yields what each model says of an outage of the source: no decision."""
        for model in self._models:
            yield model.outage(outage, number)


class _ModelDecisions:
    """Decides with the model that serves under a name, whichever it is by now."""

    def __init__(self, view: View, model: ServedModel, smoothing: SmoothingOptions | None) -> None:
        self._view = view
        self._model = model
        self._smoothing = smoothing
        self._serving: LoadedModel | None = None
        self._pipeline: SourcePipeline | None = None
        self._before: tuple[str, str | None] | None = None
        self._answered: Prediction | None = None  # by the model itself, to the last frame
        self._answer: Answer | None = None  # the same, with the outputs of the model

    def frame(self, frame: Frame, unfit: str | None, number: int) -> Decided:
        serving, pipeline = self._now()
        self._answered = self._answer = None
        try:
            if unfit is not None:
                prediction, _ = pipeline.reject(frame, unfit)
            else:
                prediction, _ = pipeline.frame(frame)
                self._answered, self._answer = pipeline.unsmoothed, pipeline.answer
        except EdgeCNNError as error:
            prediction = serving.failed(frame, str(error))
        return self._decided(prediction, frame, number)

    def compare(self, frame: Frame, number: int) -> None:
        """Lets a shadow answer the frame that was decided on last."""
        if self._answered is not None and (shadow := self._model.shadow) is not None:
            shadow.watch(self._view.name, frame, number, self._answered)

    def outage(self, outage: Outage, number: int) -> Decided:
        _, pipeline = self._now()
        prediction, _ = pipeline.outage(outage)
        return self._decided(prediction, None, number)

    def _now(self) -> tuple[LoadedModel, SourcePipeline]:
        serving = self._model.current
        if self._pipeline is None or self._serving is not serving:
            # What was smoothed and remembered was another model's
            self._pipeline = SourcePipeline(serving.classifier, None, self._smoothing, self._view.name)
            self._serving = serving
        return serving, self._pipeline

    def _decided(self, prediction: Prediction, frame: Frame | None, number: int) -> Decided:
        now = prediction.status, prediction.label
        changed, self._before = now != self._before, now
        view = self._view
        name, answer = self._model.name, None if frame is None else self._answer
        return Decided(view.name, view.source, view.region_name, name, prediction, changed, frame, number, answer)
