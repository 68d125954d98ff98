"""Whether decisions keep their rate while the service teaches.

    python benchmarks/bench_teach_beside.py MODEL.onnx DATA [--each 50] [--rounds 5] [--fps 10]

DATA has one folder per class. A service in this process watches a synthetic camera. In turn it teaches `--each` images
per class, again and again for the length of a round, and does nothing else; the decisions of each round are counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from edgecnn.data.image_folder import scan_folder
from edgecnn.runtime.decision import Score
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.record import FrameRecord
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.engine.events import Decided, Event
from edgecnn.serving.running import RunningService
from edgecnn.serving.settings.settings import Settings

_ROUND_S = 8.0
_CLASSES = 2


def main() -> None:
    """Prints the rates and how long a teaching took beside the camera."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fps", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        _collect(root / "frames", given.data, given.each)
        settings = Settings.model_validate(
            {
                "port": 0,
                "state_dir": root / "state",
                "models": [{"file": given.model, "threads": 1}],
                "sources": [{"name": "door", "address": f"fake:640x480@{given.fps}"}],
                "collect": {"dir": root / "frames", "when": [], "max_age_days": 30000},
                "swap": {"mode": "confirm"},
            }
        )
        with RunningService(settings) as service:
            _measure(service, given.rounds)


def _measure(service: RunningService, rounds: int) -> None:
    decided = 0

    def hear(event: Event) -> None:
        nonlocal decided
        decided += isinstance(event, Decided)

    service.service.hub.subscribe(hear)
    time.sleep(3)
    rates: dict[bool, list[float]] = {False: [], True: []}
    taught = 0
    for _ in range(rounds):
        for teaches in (False, True):
            before, begun_s = decided, time.monotonic()
            while time.monotonic() - begun_s < _ROUND_S:
                if teaches and _ask(service, "/api/teach")["running"] is None:
                    _ask(service, "/api/teach", {"replace": True})
                    taught += 1
                time.sleep(0.1)
            rates[teaches].append((decided - before) / (time.monotonic() - begun_s))
            if teaches:
                while _ask(service, "/api/teach")["running"] is not None:
                    time.sleep(0.1)
    print(f"{taught} teachings; the last one: {_ask(service, '/api/teach')['last']['seconds']:.1f} s")
    quiet, busy = (statistics.median(rates[teaches]) for teaches in (False, True))
    ratios = [b / a for a, b in zip(rates[False], rates[True], strict=True)]
    print(f"decided frames/s: {quiet:.2f} without, {busy:.2f} while teaching; ratio {statistics.median(ratios):.3f}")
    print("ratios:", " ".join(f"{ratio:.3f}" for ratio in ratios))


def _ask(service: RunningService, path: str, values: object = None) -> dict[str, object]:
    body = None if values is None else json.dumps(values).encode()
    headers = {"Authorization": f"Bearer {service.token}"}
    with urllib.request.urlopen(urllib.request.Request(service.url + path, body, headers), timeout=60) as found:
        answer: dict[str, object] = json.loads(found.read())
        return answer


def _collect(folder: Path, data: Path, each: int) -> None:
    """Puts images into the folder of collected frames, with their labels."""
    store, images = FrameStore(FrameFolder(folder), 10**10, 30000), scan_folder(data)
    for label in images.class_names[:_CLASSES]:
        own = [image for image in images.images if image.class_name == label][:each]
        for image in own:
            number = store.next_number()
            frame_id = f"{number:06d}-door-20260101T{number:06d}000Z"
            record = FrameRecord(
                id=frame_id,
                number=number,
                source="door",
                view="door",
                model="main",
                model_sha256="0" * 64,
                captured_at="2026-01-01T00:00:00.000Z",
                reason="uncertain",
                status="ok",
                label=label,
                score=0.6,
                top=(Score(label, 0.6),),
                others=(),
                group=frame_id,
                age_clock_s=0.0,
            )
            store.add(record, image.path.read_bytes(), ".jpg")
            store.label([frame_id], label)


if __name__ == "__main__":
    main()
