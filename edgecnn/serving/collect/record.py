"""What is known of a collected frame: its record, a JSON file in the folder ``records``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edgecnn.plain_json import as_json
from edgecnn.runtime.decision import Score, Status
from edgecnn.serving.collect.candidate import OtherAnswer
from edgecnn.serving.settings.settings import CollectReason

__all__ = ["FrameRecord", "StoredFrame", "frame_values"]


@dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """The record of a frame. It does not change; the label is where the image lies."""

    id: str  # NUMBER-VIEW-TIME
    number: int  # of the frame in this folder: a larger one was collected later, whatever the clocks say
    source: str
    view: str
    model: str
    model_sha256: str
    captured_at: str  # RFC 3339, by the device's clock
    reason: CollectReason
    status: Status
    label: str | None
    score: float | None
    top: tuple[Score, ...]
    others: tuple[OtherAnswer, ...]  # of a disagreement
    group: str  # id of the first of its near-duplicates: its own, if it is that one
    age_clock_s: float  # when it was collected, by the folder's own clock

    def to_json(self) -> bytes:
        """The content of its file."""
        return json.dumps(as_json(self), ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, content: bytes) -> FrameRecord:
        """Reads a file's content. Raises :class:`ValueError` where it is no record."""
        return _reader().validate_json(content)


@dataclass(frozen=True)
class StoredFrame:
    """A frame on the disk."""

    record: FrameRecord
    path: Path  # of the image
    size_bytes: int  # of image and record
    given_label: str | None  # None: unlabelled


def frame_values(frame: StoredFrame) -> dict[str, Any]:
    """What other programs are told of a frame."""
    values: dict[str, Any] = as_json(frame.record)
    del values["age_clock_s"]
    return {**values, "size_bytes": frame.size_bytes, "given_label": frame.given_label}


@lru_cache
def _reader() -> TypeAdapter[FrameRecord]:
    return TypeAdapter(FrameRecord)
