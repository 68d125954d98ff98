"""Sends hostile model files to a running service, one by one, and notes what became of each and of the service."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from faults.fortress import SECRETS, Fortress
from faults.hostile_model_files import HARD_LINK, HostileModel
from serving.http.attack import TOKEN
from serving.running import Answer, ask
from serving.swap.decision_listener import DecisionListener

MOST_S = 10.0  # until a file is refused


@dataclass(frozen=True)
class ModelOutcome:
    """What became of a file."""

    name: str
    status: int
    said: str
    seconds: float
    secrets: tuple[str, ...]  # that came back

    @property
    def is_refused(self) -> bool:
        return self.status == 422

    @property
    def is_fault(self) -> bool:
        """Neither refused in one line in time, nor taken into the shadow, from where nothing takes over by itself."""
        refused_well = self.is_refused and "\n" not in self.said and bool(self.said)
        return bool(self.secrets) or self.seconds > MOST_S or not (refused_well or self.status in (202, 409))


def tried_models(fortress: Fortress, models: Iterable[HostileModel]) -> Iterator[ModelOutcome]:
    """Each in order. One that is taken into the shadow is taken out of it: a change of a byte may change nothing."""
    for model in models:
        link_a_secret(fortress)
        begun_s = time.monotonic()
        answer = posted(fortress, "/api/models", model.content)
        seconds = time.monotonic() - begun_s
        if answer.status == 202:
            ticket = json.dumps({"id": answer.json["id"]}).encode()
            assert posted(fortress, "/api/models/reject", ticket).status == 200
        secrets = tuple(secret for secret in SECRETS if secret.encode() in answer.content)
        yield ModelOutcome(model.name, answer.status, answer.json.get("error", ""), seconds, secrets)


def posted(fortress: Fortress, path: str, body: bytes) -> Answer:
    return ask(f"{fortress.service.url}{path}", method="POST", body=body, token=TOKEN, timeout_s=120)


def link_a_secret(fortress: Fortress) -> None:
    """Lays a hard link to the secret file where the service stores models, under a name that a file of them names."""
    folder = fortress.folder / "state" / "models" / "main"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / HARD_LINK).exists():
        os.link(fortress.folder / "canary.txt", folder / HARD_LINK)


@contextlib.contextmanager
def listened(fortress: Fortress) -> Iterator[DecisionListener]:
    """Notes the decisions of the source that runs while the block does; begins when the first ones have come."""
    stopping, listener = threading.Event(), DecisionListener(fortress.service.url, ("door",))
    thread = threading.Thread(target=listener.listen, args=(stopping,), daemon=True)
    thread.start()
    end_s = time.monotonic() + 60
    while len(listener.times["door"]) < 2:
        assert time.monotonic() < end_s, "no decision came"
        time.sleep(0.01)
    try:
        yield listener
    finally:
        stopping.set()
        thread.join(10)
