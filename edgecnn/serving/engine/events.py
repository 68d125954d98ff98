"""What happens in the service, as values that every listener gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.frame_classifier import Answer
from edgecnn.runtime.sources.frame import Frame

__all__ = ["Decided", "DriftChanged", "Event", "SourceChanged", "SwapChanged", "SwapState", "ViewsChanged"]

SwapState = Literal["checking", "shadow", "waiting", "accepted", "refused", "superseded", "rolled back"]
"""Of a swap. ``waiting``: the shadow has seen its frames, and somebody has to accept the model."""


@dataclass(frozen=True, eq=False)
class Decided:
    """A decision about a frame, or about an outage."""

    view: str  # the source's name, or SOURCE.REGION
    source: str
    region: str | None  # the region's name; None: the whole frame
    model: str  # the model's name
    prediction: Prediction
    changed: bool  # it differs from the decision before it
    frame: Frame | None  # what was classified; None: the source is offline, or the pixels were left out
    number: int  # of the frame, per source; the live image has the same
    answer: Answer | None = None  # the model's own, before the smoothing; None: it gave none, or it was left out

    @property
    def away(self) -> bool:
        """Whether it is about an outage of the source, not about a frame."""
        return self.prediction.frame is None

    def without_frame(self) -> Decided:
        """The same without pixels and outputs of the model, for listeners that keep it."""
        return replace(self, frame=None, answer=None)


@dataclass(frozen=True)
class SourceChanged:
    """A source came or went, or a further attempt failed."""

    source: str
    up: bool
    reason: str | None  # why it is offline
    retry_in_s: float | None
    at: str  # RFC 3339
    first: bool  # it was in the other state before


@dataclass(frozen=True)
class SwapChanged:
    """A swap took a step."""

    model: str
    swap_id: str
    state: SwapState
    sha256: str
    reason: str | None
    at: str  # RFC 3339


@dataclass(frozen=True)
class ViewsChanged:
    """A source has other regions from now on."""

    source: str
    views: tuple[str, ...]  # their names
    at: str  # RFC 3339


@dataclass(frozen=True)
class DriftChanged:
    """The alarm of drift has begun or ended: the frames of a view are others than what its model was taught on."""

    view: str
    source: str
    region: str | None
    model: str
    alarm: bool
    reason: str | None  # of the alarm, or why it ended where that is not the frames
    at: str  # RFC 3339


Event: TypeAlias = "Decided | DriftChanged | SourceChanged | SwapChanged | ViewsChanged"
