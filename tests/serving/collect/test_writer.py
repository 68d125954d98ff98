"""What writes frames: a slow or full disk, a killed process, and a folder that another service uses."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from serving.collect.made_frames import PIXEL, decided, files, fill, store_in
from serving.running import ask, running, settings_of
from waiting import until

from edgecnn.errors import OutputError, UsageError
from edgecnn.preprocess import decode
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.collect.candidate import Candidate
from edgecnn.serving.collect.folder import FrameFolder
from edgecnn.serving.collect.store import FrameStore
from edgecnn.serving.collect.writer import FrameWriter, encode
from edgecnn.serving.running import check_service

FAKE = {"name": "door", "address": "fake:64x48@30"}


def candidate(seed: int = 0) -> Candidate:
    image = np.random.default_rng(seed).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    return Candidate(Frame(image, "door"), "door", "door", "main", "unknown", decided(None, 0.3).prediction)


def test_a_disk_that_hangs_holds_no_decision_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, released = threading.Event(), threading.Event()
    write = FrameFolder.write

    def slow(*args: Any) -> Any:
        hanging.set()
        assert released.wait(60)
        return write(*args)

    monkeypatch.setattr(FrameFolder, "write", slow)
    settings = {"dir": tmp_path / "frames", "uncertain_below": 1.0, "min_interval_s": 0}
    with running(tmp_path, sources=[FAKE], collect=settings) as service:
        assert hanging.wait(20)
        source = service.service.sources["door"]
        before = source.status().frames
        until(lambda: source.status().frames > before + 30)
        assert ask(f"{service.url}/api/collect").json["total"] == 0  # nor the page
        released.set()
        until(lambda: ask(f"{service.url}/api/collect").json["total"] > 3)


def test_frames_that_find_no_room_are_dropped_and_counted(tmp_path: Path) -> None:
    writer = FrameWriter(lambda: store_in(tmp_path))  # not started: nobody takes them
    for _ in range(10):
        writer.put(candidate())
    assert writer.dropped == 6


def test_a_full_disk_is_told_once_and_collecting_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now_s, full = [0.0], [True]
    add = FrameStore.add

    def tried(self: FrameStore, *args: Any) -> Any:
        if full[0]:
            raise OutputError("frames: cannot be written: No space left on device; free disk space")
        return add(self, *args)

    monkeypatch.setattr(FrameStore, "add", tried)
    writer = FrameWriter(lambda: store_in(tmp_path), clock=lambda: now_s[0])
    writer.start()
    try:
        with caplog.at_level(logging.WARNING, "edgecnn"):
            for seed in range(3):
                now_s[0] += 100  # ages are looked at between two attempts
                writer.put(candidate(seed))
                until(lambda: not writer.waiting and writer.problem)
            full[0] = False
            now_s[0] += 100
            writer.put(candidate(9))
            until(lambda: writer.store and writer.store.page(0, 9, None).total == 1 and not writer.problem)
        told = [entry.getMessage() for entry in caplog.records]
        assert len(told) == 2
        assert "No space left" in told[0]
        assert told[1] == "collecting goes on"
    finally:
        writer.stop(5)


@pytest.mark.parametrize("error", [OutputError("the disk is away"), OSError("the disk is away")])
def test_a_folder_that_cannot_be_opened_is_tried_again(tmp_path: Path, error: Exception) -> None:
    now_s, there = [0.0], [False]

    def opened() -> FrameStore:
        if not there[0]:
            raise error
        return store_in(tmp_path)

    writer = FrameWriter(opened, clock=lambda: now_s[0])
    writer.start()
    try:
        assert writer.problem == "the disk is away"
        there[0] = True
        now_s[0] += 60
        writer.put(candidate())
        until(lambda: writer.store and writer.store.page(0, 9, None).total == 1)
        assert writer.problem is None
    finally:
        writer.stop(5)


def test_a_hundred_copies_of_a_moment_are_enough(tmp_path: Path) -> None:
    writer = FrameWriter(lambda: store_in(tmp_path))
    writer.start()
    try:
        assert writer.store is not None
        writer.put(candidate(1))
        group = until(lambda: writer.store.page(0, 1, None).frames)[0].record.group
        fill(writer.store, 99, group=group)
        writer.put(candidate(1))
        writer.put(candidate(2))
        until(lambda: writer.store.page(0, 1, None).frames[0].record.group != group)
        assert writer.store.in_group(group) == 100
    finally:
        writer.stop(5)


def test_large_frames_are_jpeg_and_small_ones_lossless() -> None:
    random = np.random.default_rng(0)
    for height, width, suffix, most in ((256, 256, ".png", 0), (480, 640, ".jpg", 3)):
        image = cv2.GaussianBlur(random.integers(0, 256, (height, width, 3)).astype(np.uint8), (0, 0), 5)
        data, found = encode(image)
        assert found == suffix
        assert np.abs(decode(data, color="bgr").astype(int) - image).mean() <= most


def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    settings = {"dir": tmp_path / "frames", "uncertain_below": 1.0, "min_interval_s": 0}
    with (
        running(tmp_path, sources=[FAKE], collect=settings),
        running(tmp_path, sources=[FAKE], collect=settings, state_dir=tmp_path / "other") as two,
    ):
        assert "another run of EdgeCNN" in ask(f"{two.url}/api/collect").json["problem"]
        until(lambda: two.service.sources["door"].status().frames > 3)  # it decides all the same


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_folder_that_cannot_be_is_told_before_anything_starts(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"is a file; name a folder as \[collect\] dir"):
        check_service(settings_of(tmp_path, sources=[FAKE], collect={"dir": tmp_path / place}))


def test_checking_the_settings_makes_no_folder(tmp_path: Path) -> None:
    check_service(settings_of(tmp_path, sources=[FAKE], collect={"dir": tmp_path / "frames"}))
    assert not (tmp_path / "frames").exists()


_WRITES = """
import os, sys, time
sys.path[:0] = [{tests!r}]
from pathlib import Path
from serving.collect.made_frames import fill, store_in

write, left = Path.write_bytes, int(sys.argv[2])


def half(path, content):
    global left
    left -= 1
    if left:
        return write(path, content)
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        print("half", flush=True)
        time.sleep(600)


Path.write_bytes = half
fill(store_in(Path(sys.argv[1])), 100, b"x" * 3000 + b"END")
"""


@pytest.mark.parametrize("writes", [5, 6])  # the third frame's record, and its image
def test_a_process_that_is_killed_while_it_writes_leaves_whole_frames(tmp_path: Path, writes: int) -> None:
    program = _WRITES.format(tests=str(Path(__file__).parents[2]))
    command = [sys.executable, "-c", program, str(tmp_path), str(writes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        os.kill(process.pid, signal.SIGKILL)
    assert len(files(tmp_path)) > 4
    store = store_in(tmp_path)
    frames = store.page(0, 1000, None).frames
    assert len(frames) == 2
    assert all(frame.path.read_bytes() == b"x" * 3000 + b"END" for frame in frames)
    assert len(files(tmp_path)) == 4
    assert fill(store, 1, PIXEL)
