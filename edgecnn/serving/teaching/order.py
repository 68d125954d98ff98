"""What the teaching process is to do: one line of JSON on its standard input."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["FrameToRank", "TeachingOrder"]


@dataclass(frozen=True)
class FrameToRank:
    """A frame without a label."""

    path: str
    source: str


@dataclass(frozen=True, kw_only=True)
class TeachingOrder:
    """The order. ``rank`` says which frames to label next; ``teach`` teaches too."""

    kind: Literal["teach", "rank"]
    model: str  # path of the file that serves
    sha256: str  # that it has
    labelled: str  # folder of the labelled frames, one folder a class
    chosen: tuple[str, ...]  # the frames in it that are learned, below that folder, with slashes
    unlabelled: tuple[FrameToRank, ...]
    out: str  # file of the taught model
    replace: bool
    max_drop: float
    label_next: int  # frames to name
    nice: int  # added to the process's niceness

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes) -> TeachingOrder:
        """Reads the output of :meth:`to_json`."""
        values: dict[str, Any] = json.loads(line)
        frames = tuple(FrameToRank(**frame) for frame in values.pop("unlabelled"))
        return cls(**{**values, "chosen": tuple(values["chosen"])}, unlabelled=frames)
