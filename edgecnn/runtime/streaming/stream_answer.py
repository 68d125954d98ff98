"""What the parts of a stream yield."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame

__all__ = ["StreamAnswer", "StreamAnswers"]


@dataclass(frozen=True, eq=False)
class StreamAnswer:
    """A frame and its prediction, and whether the prediction changed."""

    frame: Frame | None  # None: an image could not be read, or a camera is offline
    prediction: Prediction
    changed: bool = True


StreamAnswers: TypeAlias = "Generator[StreamAnswer, None, None]"
