"""All views of a source, and whether its camera still shows what its references show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_check import ViewCheck, ViewShift
from edgecnn.runtime.smoothing.smoother import SmoothingOptions
from edgecnn.runtime.sources.capture.live_options import Outage
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.engine.served_model import ServedModel
from edgecnn.serving.engine.view import View, ViewDecisions

__all__ = ["SourceViews"]


class SourceViews:
    """Decides on the frames of a source. What the camera shows is compared once per frame, for all views.

    Args:
        views: the whole frame, or regions.
        models: the models that see them.
        health: thresholds of the quality checks, and the references.
        smoothing: of the answers; None: none.
    """

    def __init__(
        self,
        views: Sequence[View],
        models: Sequence[ServedModel],
        health: FrameQualityThresholds,
        smoothing: SmoothingOptions | None,
    ) -> None:
        self._check = ViewCheck(health) if health.references else None
        self._views = [ViewDecisions(view, models, health.with_references(), smoothing) for view in views]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the views."""
        return tuple(view.view.name for view in self._views)

    @property
    def shift(self) -> ViewShift | None:
        """How the camera's view lies against its reference; None: it has none, or the view was not found."""
        return None if self._check is None else self._check.shift

    def frame(self, frame: Frame, number: int) -> Iterator[Decided]:
        """Yields the decision of each view and model on a frame."""
        changed = None if self._check is None else self._check.check(frame.image, frame.color, frame.time_s)
        for view in self._views:
            yield from view.frame(frame, number, changed)

    def outage(self, outage: Outage, number: int) -> Iterator[Decided]:
        """Yields what each view and model says of an outage of the source: no decision."""
        for view in self._views:
            yield from view.outage(outage, number)
