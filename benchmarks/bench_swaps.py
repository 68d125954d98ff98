"""Model swaps of a running service under load, half of them bad in ten ways; kills at random moments; hostile files.

python benchmarks/bench_swaps.py [--swaps 200] [--clients 3] [--kills 100] [--hostile]

It starts `edgecnn serve` with two made-up cameras of 10 frames a second. Clients classify images without a pause and
another one listens to the decisions, while models are sent one after the other. It counts predictions that failed and
answers without the hash of a known model, and times refusals, swaps and rollbacks.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from hostile_models import field, hostile_models
from serving.classifying_clients import ClassifyingClients
from serving.running import TINY, ServiceProcess, ask, serving
from serving.swap.decision_listener import DecisionListener
from serving.swap.swap_models import bad_models, good, sha256

SOURCES = ("door", "belt")
SHADOW_FRAMES = 4
JPEG = cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))[1].tobytes()
SETTINGS = """
state_dir = "{folder}/state"
[[models]]
file = "{model}"
[[sources]]
name = "door"
address = "fake:320x240@10"
[[sources]]
name = "belt"
address = "fake:320x240@10"
[swap]
shadow_frames = {frames}
"""


class Load(ClassifyingClients):
    """Clients that classify, and one that listens, while the block runs."""

    def __init__(self, service: ServiceProcess, clients: int) -> None:
        super().__init__(service.url, clients, JPEG)
        self.heard = DecisionListener(service.url, SOURCES)
        self.threads.append(threading.Thread(target=self.heard.listen, args=(self.stopping,)))

    @property
    def all_failed(self) -> list[str]:
        """Answers and decisions that were none."""
        return [*self.failed, *self.heard.failed]


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--swaps", type=int, default=200)
    asked.add_argument("--clients", type=int, default=3)
    asked.add_argument("--kills", type=int, default=0)
    asked.add_argument("--hostile", action="store_true")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EDGECNN_CACHE"] = f"{folder}/cache"
        config = Path(folder) / "edgecnn.toml"
        config.write_text(SETTINGS.format(folder=folder, model=TINY, frames=SHADOW_FRAMES))
        if options.swaps:
            under_load(config, options.swaps, options.clients)
        if options.hostile:
            hostile(config, options.clients)
        if options.kills:
            killed(config, Path(folder), options.kills)


def under_load(config: Path, swaps: int, clients: int) -> None:
    known = {sha256(TINY.read_bytes()), *(sha256(good(number)) for number in range(swaps))}
    refusals: list[float] = []
    changes: list[float] = []
    rollbacks: list[float] = []
    with serving("--config", config) as service, Load(service, clients) as load:
        wait(lambda: all(load.heard.times.values()))
        time.sleep(5)
        begin_s = time.monotonic()
        kinds = list(bad_models().values())
        for number in range(swaps):
            if number % 2:
                kind, _ = kinds[number // 2 % len(kinds)]
                refusals.append(refused(service, kind and kind + field(1000, str(number))))  # never the same file twice
            else:
                changes.append(changed(service, good(number)))
            if number % 10 == 8:
                rollbacks.append(rolled_back(service))
        took_s = time.monotonic() - begin_s
    unknown = [found for found in (*load.hashes, *load.heard.hashes) if found not in known]
    print(
        f"{swaps} files in {took_s:.0f} s: {len(changes)} swaps, {len(refusals)} refusals, {len(rollbacks)} rollbacks"
    )
    print(f"{len(load.hashes)} answers and {len(load.heard.hashes)} decisions under that load")
    print(f"failed predictions: {len(load.all_failed)}")
    print(f"answers and decisions without the hash of a known model: {len(unknown)}")
    told("refusal", refusals)
    told("swap, from the first byte to the first answer of the new model", changes)
    told("rollback, from the request to the first answer of the previous model", rollbacks)
    told("between two decisions of a source before the swaps", load.heard.gaps_s(until_s=begin_s))
    told("between two decisions of a source during them", load.heard.gaps_s(begin_s))
    if load.all_failed:
        print("first failure:", load.all_failed[0][:500])


def hostile(config: Path, clients: int) -> None:
    """Sends every file that the tests have to crash or to stall onnxruntime."""
    refusals: dict[str, float] = {}
    taken = 0
    with serving("--config", config) as service, Load(service, clients) as load:
        wait(lambda: all(load.heard.times.values()))
        for name, content in hostile_models(TINY.read_bytes()).items():
            begin_s = time.monotonic()
            answer = ask(f"{service.url}/api/models", body=content, token=service.token, timeout_s=120)
            assert answer.status in (202, 409, 422), (name, answer.content)
            taken += answer.status != 422  # a flipped bit may change nothing: then the golden samples hold
            refusals[name] = time.monotonic() - begin_s
    print(
        f"{len(refusals)} hostile files: {taken} harmless, the others refused; "
        f"failed predictions: {len(load.all_failed)}"
    )
    told("check", list(refusals.values()))
    print("the longest:", ", ".join(sorted(refusals, key=lambda name: -refusals[name])[:5]))
    told("between two decisions of a source", load.heard.gaps_s())


def refused(service: ServiceProcess, content: bytes) -> float:
    begin_s = time.monotonic()
    answer = ask(f"{service.url}/api/models", body=content, token=service.token, timeout_s=60)
    assert answer.status == 422, answer.content
    return time.monotonic() - begin_s


def changed(service: ServiceProcess, content: bytes) -> float:
    begin_s = time.monotonic()
    answer = ask(f"{service.url}/api/models", body=content, token=service.token, timeout_s=60)
    assert answer.status == 202, answer.content
    wait(lambda: answered_by(service) == sha256(content))
    return time.monotonic() - begin_s


def rolled_back(service: ServiceProcess) -> float:
    begin_s = time.monotonic()
    answer = ask(f"{service.url}/api/rollback", method="POST", token=service.token)
    assert answer.status == 200, answer.content
    wait(lambda: answered_by(service) == answer.json["sha256"])
    return time.monotonic() - begin_s


def answered_by(service: ServiceProcess) -> str:
    return str(ask(f"{service.url}/api/classify", body=JPEG).json["model_sha256"])


def killed(config: Path, folder: Path, kills: int) -> None:
    """Kills the service during swaps and looks at what the next start serves."""
    moments = random.Random(18)
    may_serve = {sha256(TINY.read_bytes())}
    stored = folder / "state" / "models" / "main"
    begin_anew(stored)
    wrong = broken = swaps = under_way = 0
    for number in range(kills + 1):
        with serving("--config", config) as service:
            found = ask(f"{service.url}/api/models").json["models"][0]
            now = found["serving"]["sha256"]
            wrong += now not in may_serve
            broken += found["last"] is not None or any(
                path.suffix == ".onnx" and sha256(path.read_bytes()) != path.stem for path in listed(stored)
            )
            may_serve = {now}
            if number == kills:
                break
            end = threading.Timer(moments.uniform(0.2, 2.0), os.kill, (service.process.pid, signal.SIGKILL))
            end.start()
            with contextlib.suppress(OSError, http.client.HTTPException):
                for content in models_after(now, number):
                    new, before = sha256(content), may_serve
                    may_serve = {*may_serve, new}
                    ask(f"{service.url}/api/models", body=content, token=service.token, timeout_s=60)
                    while (at := serving_now(service)) != new and at in before:
                        time.sleep(0.01)
                    may_serve = {new}
                    swaps += 1
            end.join()
            under_way += len(may_serve) > 1
    print(f"{kills} kills, {under_way} of them with a swap under way, after {swaps} whole swaps")
    print(f"starts with another model than the last one or the one under way: {wrong}")
    print(f"starts with a damaged file or a fallback: {broken}")


def models_after(now: str, number: int) -> Iterator[bytes]:
    """Good models without end, in which the serving one does not come twice."""
    turn = number
    while True:
        content = good(turn % 7)
        if sha256(content) != now:
            now = sha256(content)
            yield content
        turn += 1


def serving_now(service: ServiceProcess) -> str:
    return str(ask(f"{service.url}/api/models").json["models"][0]["serving"]["sha256"])


def listed(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def begin_anew(folder: Path) -> None:
    """Begins without earlier swaps."""
    for path in listed(folder):
        path.unlink()


def wait(until: Callable[[], object]) -> None:
    end_s = time.monotonic() + 60
    while not until():
        if time.monotonic() > end_s:
            raise SystemExit("it did not come in 60 s")
        time.sleep(0.002)


def told(what: str, seconds: list[float]) -> None:
    if seconds:
        print(f"{what}: median {statistics.median(seconds):.3f} s, at most {max(seconds):.3f} s ({len(seconds)})")


if __name__ == "__main__":
    main()
