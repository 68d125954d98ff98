"""A folder of collected frames of classes that the tiny model does not know, and a service that has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grounds import write_grounds
from serving.collect.made_frames import fill, store_in
from serving.running import TINY, ask, running
from serving.swap.swap_client import post
from waiting import until

from edgecnn.runtime.decision import Score
from edgecnn.serving.running import RunningService
from edgecnn.serving.teaching.part import TeachingPart
from edgecnn.serving.teaching.teacher import Teacher


def collect_grounds(tmp_path: Path, count: int, first_seed: int = 9000, model: str = "main") -> dict[str, str]:
    """Puts so many frames of each class into ``tmp_path/frames``; returns the true label of each, by its id."""
    images = write_grounds(tmp_path / f"images{first_seed}", count, first_seed)
    store = store_in(tmp_path / "frames", max_age_days=30_000)
    answer = {"reason": "uncertain", "status": "ok", "label": "circle", "score": 0.6, "top": (Score("circle", 0.6),)}
    truth = {}
    for path in sorted(images.glob("*/*.png")):
        (frame,) = fill(store, 1, path.read_bytes(), model=model, **answer)
        truth[frame.record.id] = path.parent.name
    return truth


@contextmanager
def teaching(tmp_path: Path, **settings: Any) -> Iterator[RunningService]:
    """A service that collects into ``tmp_path/frames``, without a camera."""
    given = {
        "collect": {"dir": tmp_path / "frames", "max_age_days": 30000},
        "models": [{"file": TINY}],
        "teach": {"nice": 0},
    }
    with running(tmp_path, **{**given, **settings}) as service:
        until(lambda: get(service, "/api/collect")["problem"] is None)
        yield service


def teacher_of(service: RunningService) -> Teacher:
    return next(part.teacher for part in service._parts if isinstance(part, TeachingPart))


def get(service: RunningService, path: str = "/api/teach") -> Any:
    found = ask(f"{service.url}{path}")
    assert found.status == 200, found.content
    return found.json


def label(service: RunningService, ids: list[str], name: str) -> None:
    answer = post(service, "/api/collect/label", json.dumps({"ids": ids, "label": name}).encode())
    assert answer.json["labelled"] == len(ids), answer.content


def label_all(service: RunningService, truth: dict[str, str]) -> None:
    for name in sorted(set(truth.values())):
        label(service, [frame_id for frame_id, true in truth.items() if true == name], name)


def taught(service: RunningService, body: bytes = b'{"replace": true}') -> dict[str, Any]:
    """Teaches, and returns how that ended."""
    answer = post(service, "/api/teach", body)
    assert answer.status == 202, answer.content
    last = until(lambda: (found := get(service)["last"]) and found["id"] == answer.json["id"] and found)
    until(lambda: get(service)["running"] is None)
    return last
