"""`edgecnn predict` on cameras, streams and videos, as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mjpeg_server import mjpeg_camera
from processes import alive, children_of, command_of
from shapes import shape_image
from waiting import until

from edgecnn.runtime.smoothing.smoother import SmoothingOptions, write_smoothing
from edgecnn.runtime.streaming.annotate import VideoWriter

KEYS = [
    "source",
    "frame",
    "captured_at",
    "media_time_s",
    "age_ms",
    "status",
    "reason",
    "label",
    "index",
    "score",
    "top",
    "latency_ms",
    "ep",
    "model_sha256",
    "region",
]


def descendants(pid: int) -> list[int]:
    return [found for child in children_of(pid) for found in (child, *descendants(child))]


def start(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edgecnn", "predict", *map(str, args)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_a_camera_gives_a_json_line_a_frame(edgecnn, tiny_model: Path) -> None:
    done = edgecnn("predict", tiny_model, "fake:64x64@50", "--max-frames", 5, "--format", "jsonl", "--threads", 1)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [list(row) for row in rows] == [KEYS] * 5
    assert all(
        row["age_ms"] < 5000 and row["media_time_s"] is None and row["source"] == "fake:64x64@50" for row in rows
    )
    assert "5 classified" in done.stderr


def test_with_smoothing_an_outage_and_an_unfit_frame_are_told_too(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    write_smoothing(tmp_path / "s.json", SmoothingOptions("average", window_s=0.5, enter=0.5, leave=0.3))
    words = (
        "--threshold",
        2,
        "--smoothing",
        tmp_path / "s.json",
        "--max-frames",
        30,
        "--threads",
        1,
    )  # a threshold above 1: all unknown
    done = edgecnn("predict", tiny_model, "fake:64x64@50,outage=20", "--health", "off", *words)
    assert done.returncode == 0, done.stderr
    lines = [line.partition(": ")[2] for line in done.stdout.splitlines()]
    assert "no decision: offline: the fake camera goes offline" in " ".join(lines)
    assert any(line.startswith("Prediction: unknown (") for line in lines)
    dark = tmp_path / "dark.mkv"
    writer = VideoWriter(dark, 10.0)
    for seed in range(12):
        writer.add(shape_image("circle", seed, 64) if seed < 6 else np.zeros((64, 64, 3), np.uint8))
    writer.close()
    done = edgecnn("predict", tiny_model, dark, *words)
    assert done.returncode == 0, done.stderr
    assert "Prediction: unknown (smoothing: most frames are unknown)" in done.stdout


def test_a_video_gives_its_times_and_is_saved(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "clip.mkv", 10.0)
    for seed in range(12):
        writer.add(shape_image("circle", seed, 64))
    writer.close()
    done = edgecnn(
        "predict", tiny_model, tmp_path / "clip.mkv", "--every", 2, "--json", "--save", tmp_path / "out", "--threads", 1
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["frame"] for row in rows] == [0, 2, 4, 6, 8, 10]
    assert [row["media_time_s"] for row in rows] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["clip.mkv"]


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("hung", [False, True])
def test_it_ends_within_three_seconds_and_leaves_no_process(
    how: signal.Signals, status: int, hung: bool, tiny_model: Path
) -> None:
    with mjpeg_camera() as camera:
        running = start(tiny_model, camera.url, "--format", "jsonl")
        assert running.stdout is not None
        running.stdout.readline()
        children = descendants(running.pid)
        assert children
        if hung:
            for child in children:
                os.kill(child, signal.SIGSTOP)
        begun = time.monotonic()
        running.send_signal(how)
        out, err = running.communicate(timeout=20)
        assert time.monotonic() - begun < 3
    assert running.returncode == status, err
    assert "Traceback" not in err
    assert all(json.loads(line)["status"] for line in out.splitlines())
    until(lambda: not any(map(alive, children)))


def test_a_password_is_in_no_output(tiny_model: Path, tmp_path: Path) -> None:
    with mjpeg_camera(password="admin:hunter2") as camera:
        running = start(tiny_model, camera.url, "--format", "jsonl", "--max-frames", 3, "--save", tmp_path)
        seen: set[str] = set()
        while not any("capture.worker" in command for command in seen) and running.poll() is None:
            # One that has not begun its own program yet still shows its parent's command line, as the user typed it
            seen |= {
                command for child in descendants(running.pid) if "\0predict\0" not in (command := command_of(child))
            }
        out, err = running.communicate(timeout=60)
        camera.set_fault("closed")
        refused = start(tiny_model, camera.url, "--fail-fast")
        refused_out, refused_err = refused.communicate(timeout=60)
    assert running.returncode == 0, err
    assert refused.returncode == 2
    assert "connection refused" in refused_err
    for text in (out, err, refused_out, refused_err, str(seen), str(list(tmp_path.iterdir()))):
        assert "hunter2" not in text


@pytest.mark.parametrize("source", ["7", "/dev/video97", "fake:wide", "csi:", "ftp://host/a"])
def test_what_cannot_be_opened_is_one_line_and_status_2(edgecnn, source: str, tiny_model: Path) -> None:
    done = edgecnn("predict", tiny_model, source)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"edgecnn: error: {source.partition('://')[0]}")


def test_an_outage_is_a_line_and_the_answers_go_on(edgecnn, tiny_model: Path) -> None:
    done = edgecnn("predict", tiny_model, "fake:64x64@100,outage=4", "--max-frames", 6, "--threads", 1)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert sum("Prediction:" in line for line in lines) == 6
    assert (
        "no decision: offline: the fake camera goes offline after 4 frames, as requested by outage=; retry in 0.5 s"
        in done.stdout
    )
