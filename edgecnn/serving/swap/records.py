"""What is known of the swaps of a model, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgecnn.runtime.decision import Prediction, Status
from edgecnn.serving.engine.events import SwapState
from edgecnn.serving.engine.served_model import LoadedModel

__all__ = ["DifferingFrame", "LastSwap", "ShadowAnswer", "ShadowReport", "SwapReport", "SwapTicket"]


@dataclass(frozen=True)
class SwapTicket:
    """Names a swap."""

    id: str
    model: str  # name of the model
    sha256: str  # of the new file


@dataclass(frozen=True)
class ShadowAnswer:
    """The answer of one of the two models, before any smoothing."""

    label: str | None
    status: Status
    score: float | None

    @classmethod
    def of(cls, prediction: Prediction) -> ShadowAnswer:
        """The part of a prediction that is compared and shown."""
        return cls(prediction.label, prediction.status, prediction.score)

    def agrees(self, other: ShadowAnswer) -> bool:
        """Whether both say the same. Scores may differ."""
        return (self.status, self.label) == (other.status, other.label)


@dataclass(frozen=True, eq=False)
class DifferingFrame:
    """A frame on which the models differ."""

    number: int  # of the frame, as in its decision; 0: the image of a request
    view: str | None  # None: the image of a request
    captured_at: str  # RFC 3339
    serving: ShadowAnswer
    shadow: ShadowAnswer
    jpeg: bytes  # a thumbnail of what both saw


@dataclass(frozen=True, eq=False)
class ShadowReport:
    """How far a shadow is."""

    ticket: SwapTicket
    loaded: LoadedModel
    file: str  # name that the new file was given under
    state: Literal["shadow", "waiting"]
    frames: int  # that were compared
    wanted_frames: int
    agreement: float | None  # share of them with the same answer, 0 to 1; None: none was compared
    differing: tuple[DifferingFrame, ...]  # the first of them


@dataclass(frozen=True, eq=False)
class LastSwap:
    """How the last swap ended."""

    ticket: SwapTicket
    state: SwapState
    reason: str | None
    at: str  # RFC 3339
    frames: int  # that its shadow compared
    agreement: float | None  # share of them with the same answer, 0 to 1; None: none was compared
    differing: tuple[DifferingFrame, ...]


@dataclass(frozen=True, eq=False)
class SwapReport:
    """The models behind one name, and the swap that is under way."""

    name: str
    serving: LoadedModel
    previous: LoadedModel | None
    shadow: ShadowReport | None
    last: LastSwap | None
