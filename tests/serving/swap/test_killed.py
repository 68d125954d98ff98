"""Killed at any moment of a swap, the service starts again with one whole model."""

from __future__ import annotations

import multiprocessing
import random
import sys
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from serving.running import settings_of
from serving.swap.swap_client import FIRST
from serving.swap.swap_models import admitted, good, sha256, write

from edgecnn.serving.engine.service import Service
from edgecnn.serving.swap.restoring import restore_models
from edgecnn.serving.swap.swaps import Swaps

KILLS = 8


def swap_forever(tmp_path: Path, files: list[Path], said: Connection) -> None:
    """Body of the process that is killed: swaps and rolls back, and says what each answer promised."""
    settings, state = settings_of(tmp_path), tmp_path / "state"
    restored = restore_models(settings, state)
    service = Service(settings, state, {name: model.current for name, model in restored.items()})
    swaps = Swaps(service, state, restored)
    swaps.start()
    turn = 0
    while True:
        current = service.models["main"].current.sha256
        new = next(file for file in files[turn % len(files) :] + files if file.stem != current)
        said.send(("begins", new.stem))
        swaps.submit(new, "main")
        said.send(("serves", new.stem))
        if turn % 2:
            said.send(("begins", current))
            swaps.roll_back("main")
            said.send(("serves", service.models["main"].current.sha256))
        turn += 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs a fork server")
def test_killed_at_random_moments_it_starts_with_one_whole_model(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["edgecnn.serving.swap.swaps", "edgecnn.serving.swap.restoring"])
    contents = [admitted(good(80 + i)) for i in range(3)]
    files = [write(tmp_path, f"{sha256(content)}.onnx", content) for content in contents]
    settings, state = settings_of(tmp_path), tmp_path / "state"
    moments = random.Random(18)
    swaps = 0
    serves = FIRST
    for _ in range(KILLS):
        hear, said = context.Pipe(duplex=False)
        process = context.Process(target=swap_forever, args=(tmp_path, files, said))
        process.start()
        said.close()
        told = [_hear(hear) for _ in range(moments.randint(1, 9))]
        time.sleep(moments.uniform(0, 0.06))  # the moment is the point; nothing is waited for
        process.kill()
        process.join()
        may_serve = {serves}
        for step, sha in [*told, *_rest(hear)]:
            may_serve = {sha} if step == "serves" else {*may_serve, sha}
            serves = sha if step == "serves" else serves
            swaps += step == "serves"
        restored = restore_models(settings, state)
        if "main" in restored:
            assert restored["main"].faults == ()
            now = restored["main"].current.sha256
        else:
            now = FIRST
        assert now in may_serve  # what was promised, or the swap that was under way
        serves = now
    assert swaps > KILLS


def _hear(hear: Connection) -> tuple[str, str]:
    assert hear.poll(60), "the process says nothing"
    return hear.recv()


def _rest(hear: Connection) -> list[tuple[str, str]]:
    """What it said until it was killed. Its last word may be cut off."""
    told = []
    with suppress(EOFError):
        while hear.poll():
            told.append(hear.recv())
    return told
