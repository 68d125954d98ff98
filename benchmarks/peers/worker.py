"""Runs one way in its own environment; needs the standard library alone.

python worker.py WAY MODEL THREADS           # answers requests, one JSON a line, until its input ends
python worker.py WAY MODEL THREADS IMAGE     # answers for one image and ends: a cold start

Requests: {"do": "latency", "files": [...], "times": 3}, {"do": "folder", "folder": "..."}.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Protocol


class Way(Protocol):
    """What every file in ways/ defines."""

    def one(self, path: str) -> int:
        """The class of an image file."""

    def folder(self, folder: str) -> list[int]:
        """The classes of a folder's JPEGs, by name."""


def main() -> None:
    script, model, threads, *image = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print to the standard output; it is the answers' alone
    way = load(script, model, int(threads))
    if image:
        tell(answers, way.one(image[0]))
        return
    tell(answers, "ready")
    for line in sys.stdin:
        request = json.loads(line)
        tell(answers, latency(way, request) if request["do"] == "latency" else folder(way, request))


def load(script: str, model: str, threads: int) -> Way:
    spec = importlib.util.spec_from_file_location("way", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["way"] = module
    sys.path.pop(0)  # this file's folder: its modules are not the peer's
    spec.loader.exec_module(module)
    way: Way = module.Way(model, threads)
    return way


def tell(answers: Any, value: object) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def latency(way: Way, request: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of every file, in turn; the first file comes once more before, since other workers ran meanwhile."""
    way.one(request["files"][0])
    times = []
    for _ in range(request["times"]):
        for file in request["files"]:
            start = time.perf_counter()
            way.one(file)
            times.append((time.perf_counter() - start) * 1e3)
    return {"ms": times}


def folder(way: Way, request: dict[str, Any]) -> dict[str, Any]:
    """Seconds, seconds of processor with those of children that ended, and the answers."""
    way.one(str(min(Path(request["folder"]).glob("*.jpg"))))
    start, busy = time.perf_counter(), processor_seconds()
    found = way.folder(request["folder"])
    return {"seconds": time.perf_counter() - start, "cpu": processor_seconds() - busy, "answers": found}


def processor_seconds() -> float:
    return sum(os.times()[:4])


if __name__ == "__main__":
    main()
