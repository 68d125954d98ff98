"""What the swap tests ask of a running service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving.running import TINY, Answer, ask
from serving.swap.swap_models import sha256
from waiting import until

from edgecnn.serving.engine.events import SwapChanged
from edgecnn.serving.running import RunningService
from edgecnn.serving.swap.part import SwapPart
from edgecnn.serving.swap.swaps import Swaps

FAKE = {"name": "door", "address": "fake:320x240@100"}
FIRST = sha256(TINY.read_bytes())


def swaps_of(running: RunningService) -> Swaps:
    return next(part.swaps for part in running._parts if isinstance(part, SwapPart))


def post(running: RunningService, path: str, body: bytes = b"") -> Answer:
    return ask(f"{running.url}{path}", method="POST", body=body, token=running.token)


def models(running: RunningService) -> list[dict[str, Any]]:
    return ask(f"{running.url}/api/models").json["models"]


def serving(running: RunningService) -> str:
    return models(running)[0]["serving"]["sha256"]


def ended(running: RunningService, swap_id: str) -> dict[str, Any]:
    """How a swap ended, when it has."""
    return until(lambda: (last := models(running)[0]["last"]) and last["id"] == swap_id and last)


def steps(running: RunningService, swap_id: str) -> list[str]:
    return [e.state for e in tuple(running.service.log) if isinstance(e, SwapChanged) and e.swap_id == swap_id]


def answered_by(running: RunningService, image: bytes) -> str:
    answer = ask(f"{running.url}/api/classify", body=image)
    assert answer.status == 200, answer.content
    return answer.json["model_sha256"]


def stored(tmp_path: Path) -> set[str]:
    """Names of the files that the state folder holds for the model."""
    folder = tmp_path / "state" / "models" / "main"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()
