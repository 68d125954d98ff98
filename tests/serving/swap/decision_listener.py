"""A client that listens to the decisions of a service, and notes when they came."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Sequence
from typing import Any


class DecisionListener:
    """Reads the events of a service until it is told to stop.

    Args:
        url: of the service.
        sources: whose decisions count.
    """

    def __init__(self, url: str, sources: Sequence[str]) -> None:
        self._events = f"{url}/api/events"
        self.times: dict[str, list[float]] = {name: [] for name in sources}
        """When the decisions of each source came, by the monotonic clock."""
        self.hashes: list[str | None] = []
        """Of the models that decided."""
        self.failed: list[str] = []
        """Decisions that were none, as text."""

    def listen(self, stopping: threading.Event) -> None:
        """Returns with the first line after the event was set."""
        with urllib.request.urlopen(self._events, timeout=60) as stream:
            kind = ""
            for line in stream:
                if stopping.is_set():
                    return
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: ") and kind == "decision":
                    self._decided(json.loads(line[6:]))

    def gaps_s(self, since_s: float = 0.0, until_s: float = float("inf")) -> list[float]:
        """Seconds between two decisions of a source, of those that came in this time."""
        return [
            after - before
            for times in self.times.values()
            for before, after in itertools.pairwise(times)
            if since_s <= after and before <= until_s
        ]

    def _decided(self, event: dict[str, Any]) -> None:
        if event["source"] not in self.times:
            return
        prediction = event["prediction"]
        self.times[event["source"]].append(time.monotonic())
        self.hashes.append(prediction.get("model_sha256"))
        if prediction["status"] != "ok":
            self.failed.append(json.dumps(prediction))
