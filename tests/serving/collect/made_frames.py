"""Records, stores and decisions for tests of collecting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scenes import scene

from edgecnn.runtime.decision import LatencyMs, Prediction, Score
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.record import FrameRecord, StoredFrame
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.engine.events import Decided

PIXEL = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def record(number: int, **values: Any) -> FrameRecord:
    """The record of a frame, with a group of its own."""
    frame_id = f"{number:06d}-door-20260101T000000000Z"
    given = {"id": frame_id, "number": number, "group": frame_id, "age_clock_s": 0.0, "source": "door", "view": "door"}
    given |= {"model": "main", "model_sha256": "00", "captured_at": "2026-01-01T00:00:00.000Z", "reason": "unknown"}
    given |= {"status": "unknown", "label": None, "score": None, "top": (), "others": ()}
    return FrameRecord(**{**given, **values})


def store_in(folder: Path, max_bytes: int = 10**9, max_age_days: float = 30.0) -> FrameStore:
    return FrameStore(FrameFolder(folder), max_bytes, max_age_days)


def fill(store: FrameStore, count: int, image: bytes = PIXEL, **values: Any) -> list[StoredFrame]:
    """Adds frames and returns them, oldest first."""
    return [store.add(record(store.next_number(), **values), image, ".png") for _ in range(count)]


def files(folder: Path) -> set[str]:
    """All files below a folder, by their paths in it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def decided(
    label: str | None,
    score: float,
    number: int = 0,
    *,
    model: str = "main",
    view: str = "door",
    status: str | None = None,
    second: float | None = None,
    frame: bool = True,
) -> Decided:
    """A decision: ``label`` None is a rejected frame."""
    status = status or ("unknown" if label is None else "ok")
    top = (Score(label or "cat", score), Score("other", 1 - score if second is None else second))
    prediction = Prediction(
        source=view,
        frame=number,
        captured_at="2026-01-01T00:00:00.000Z",
        media_time_s=None,
        age_ms=1.0,
        status=status,
        reason=None,
        label=label if status == "ok" else None,
        index=None,
        score=score if status == "ok" else None,
        top=() if status == "no_decision" else top,
        latency_ms=LatencyMs(None, None, None, 1.0),
        ep="cpu",
        model_sha256=model,
    )
    image = Frame(np.zeros((8, 8, 3), np.uint8), view, number, kind="stream") if frame else None
    source, _, region = view.partition(".")
    return Decided(view, source, region or None, model, prediction, False, image, number)


def write_scenes(folder: Path, count: int) -> Path:
    """Images that are unlike each other, for a ``loop:`` source."""
    folder.mkdir()
    for seed in range(count):
        cv2.imwrite(str(folder / f"{seed:03d}.png"), scene(seed))
    return folder


def as_body(**values: Any) -> bytes:
    return json.dumps(values).encode()
