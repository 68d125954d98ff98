"""A frame that is to be kept, with what the models answered."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.runtime.decision import Prediction, Score, Status
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.settings.settings import CollectReason

__all__ = ["Candidate", "OtherAnswer"]


@dataclass(frozen=True)
class OtherAnswer:
    """What another model answered for the same frame."""

    model: str
    sha256: str
    status: Status
    label: str | None
    score: float | None
    top: tuple[Score, ...] = ()

    @classmethod
    def of(cls, model: str, prediction: Prediction) -> OtherAnswer:
        """The part of a prediction that is kept."""
        p = prediction
        return cls(model, p.model_sha256, p.status, p.label, p.score, p.top)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A frame that is to be kept."""

    frame: Frame  # what was classified: the region, where the view is one
    source: str
    view: str
    model: str
    reason: CollectReason
    prediction: Prediction
    others: tuple[OtherAnswer, ...] = ()  # of a disagreement: those that answered otherwise
