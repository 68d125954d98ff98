"""New model files are taken from a folder, once they are whole, and once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving.running import TINY, running, settings_of
from serving.swap.swap_client import FAKE, FIRST, serving
from serving.swap.swap_models import admitted, good, sha256, write
from waiting import until

from edgecnn.errors import UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.swap.folder_watch import FolderWatch, check_folder
from edgecnn.serving.swap.restoring import restore_models
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.swap.watched_record import WatchedRecord


class Watched:
    """A service without a server, and a folder whose looks the test makes."""

    def __init__(self, tmp_path: Path, **values: Any) -> None:
        self.folder = tmp_path / "new"
        self.folder.mkdir(exist_ok=True)
        settings = settings_of(tmp_path, **values)
        state = tmp_path / "state"
        restored = restore_models(settings, state)
        self.service = Service(settings, state, {name: model.current for name, model in restored.items()})
        self.swaps = Swaps(self.service, state, restored)
        self.watch = FolderWatch(self.folder, 1.0, self.swaps, WatchedRecord(state / "models" / "watched.json"))

    def put(self, name: str, content: bytes, at_s: int = 1_700_000_000) -> Path:
        """Writes a file with a time of change of its own."""
        path = write(self.folder, name, content)
        os.utime(path, (at_s, at_s))
        return path

    def look(self, times: int = 1) -> None:
        for _ in range(times):
            self.watch.look()

    def serving(self, model: str = "main") -> str:
        return self.service.models[model].current.sha256


@contextmanager
def watched(tmp_path: Path, **values: Any) -> Iterator[Watched]:
    found = Watched(tmp_path, **values)
    found.swaps.start()
    try:
        yield found
    finally:
        found.swaps.stop()


def test_a_file_is_taken_when_two_looks_find_it_the_same_and_stays_there(tmp_path: Path) -> None:
    with watched(tmp_path) as found:
        path = found.put("any-name.onnx", admitted(good(60)))
        found.look()
        assert found.serving() == FIRST
        found.look()
        assert found.serving() == sha256(good(60))
        assert path.read_bytes() == good(60)


def test_a_file_that_is_still_written_is_not_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    new = admitted(good(61))
    with watched(tmp_path) as found:
        found.put(".main.onnx", new)  # as rsync names what it writes
        found.put("main.onnx.part", new)
        for percent in range(10, 100, 10):
            found.put("main.onnx", new[: len(new) * percent // 100])
            found.look()
        assert found.serving() == FIRST
        found.put("main.onnx", new)
        found.look(2)
        assert found.serving() == sha256(new)
    assert "refused" not in caplog.text


def test_a_refused_file_is_tried_again_only_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with watched(tmp_path) as found:
        path = found.put("main.onnx", b"not a model")
        found.look(5)
        assert caplog.text.count("it is not tried again until it changes") == 1
    with watched(tmp_path) as found:  # after a restart neither
        found.look(5)
        assert caplog.text.count("it is not tried again until it changes") == 1
        os.utime(path, (1_800_000_000, 1_800_000_000))
        found.look(2)
        assert caplog.text.count("it is not tried again until it changes") == 2
        assert path.exists()


def test_a_file_that_was_rolled_back_does_not_come_again_after_a_restart(tmp_path: Path) -> None:
    with watched(tmp_path) as found:
        found.put("main.onnx", admitted(good(62)))
        found.look(3)
        found.swaps.roll_back("main")
        found.look(3)
        assert found.serving() == FIRST
    with watched(tmp_path) as found:
        found.look(3)
        assert found.serving() == FIRST


def test_a_swap_that_a_restart_cut_off_is_tried_again_but_not_forever(tmp_path: Path) -> None:
    slow = {"sources": [FAKE], "swap": {"shadow_frames": 100_000}}
    shadows = []
    for _ in range(5):
        with watched(tmp_path, **slow) as found:
            found.put("main.onnx", admitted(good(63)))
            found.look(2)
            shadows.append(len(found.swaps.shadows))
    assert shadows == [1, 1, 1, 0, 0]


def test_the_name_says_which_model_is_meant(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with watched(tmp_path, models=[{"name": "parts", "file": TINY}, {"name": "faces", "file": TINY}]) as found:
        found.put("faces.onnx", admitted(good(64)))
        found.put("other.onnx", admitted(good(65)))
        found.look(4)
        assert (found.serving("parts"), found.serving("faces")) == (FIRST, sha256(good(64)))
        assert caplog.text.count("is none of parts, faces; name it NAME.onnx") == 1


def test_a_file_that_serves_already_is_no_refusal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with watched(tmp_path) as found:
        found.put("main.onnx", TINY.read_bytes())
        found.look(3)
    assert "refused" not in caplog.text


def test_a_folder_that_cannot_be_watched_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder; create it"):
        check_folder(settings_of(tmp_path, swap={"watch": tmp_path / "missing"}))
    with pytest.raises(UsageError, match="watch a folder of its own"):
        check_folder(settings_of(tmp_path, swap={"watch": TINY.parent}))


def test_the_running_service_watches(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    with running(tmp_path, swap={"watch": folder, "watch_s": 0.05}) as service:
        write(folder, "main.onnx", admitted(good(66)))
        until(lambda: serving(service) == sha256(good(66)))
