"""Streams of a recurrent model: several cameras, reconnects, requests to begin anew, and memory that stays level."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from recurrent_models import SIDE, steps_of, write_counter, write_recurrent
from scenes import scene
from video_files import write_video

from edgecnn import Classifier, Frame
from edgecnn.runtime.sources import LiveOptions
from edgecnn.runtime.streaming.source_pipeline import SourcePipeline

QUICK = LiveOptions(first_wait_s=0.05)


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier(write_counter(tmp_path / "m.onnx", interval_s=0.02), ep="cpu", threads=1)


def test_two_cameras_have_a_state_each(classifier: Classifier) -> None:
    """Each camera's steps follow its own clock, however their frames come in between each other."""
    names = ("fake:64x64@50", "fake:96x64@50")
    begun: dict[str, float] = {}
    seen: dict[str, list[int]] = {name: [] for name in names}
    with classifier.stream(*names, health=None) as stream:
        for frame, prediction in stream:
            assert frame is not None
            start = begun.setdefault(frame.name, frame.captured_monotonic_s)
            due = 1 + int((frame.captured_monotonic_s - start + 0.002) / 0.02)
            seen[frame.name].append(steps_of(prediction))
            assert seen[frame.name][-1] <= due
            if all(len(found) >= 10 for found in seen.values()):
                break
    assert all(found[0] == 1 and all(a <= b for a, b in pairwise(found)) for found in seen.values())
    assert all(found[-1] >= 5 for found in seen.values())


def test_a_reconnect_begins_anew(classifier: Classifier) -> None:
    runs: list[list[int]] = [[]]
    with classifier.stream("fake:64x64@50,outage=15", live=QUICK, health=None) as stream:
        for frame, prediction in stream:
            if frame is None:
                assert prediction.status == "no_decision"
                runs.append([])
            else:
                runs[-1].append(steps_of(prediction))
            if len(runs) == 3 and len(runs[-1]) >= 3:
                break
    assert [run[0] for run in runs if run] == [1, 1, 1]
    assert max(runs[0]) > 3


def test_a_stream_begins_anew_on_request(classifier: Classifier) -> None:
    found = []
    with classifier.stream("fake:64x64@50", health=None) as stream:
        for k, (_, prediction) in enumerate(stream):
            found.append(steps_of(prediction))
            if k == 10:
                classifier.reset("fake:64x64@50")
            if k == 12:
                break
    assert found[10] > 3
    assert found[11] == 1


def test_a_stream_and_a_program_have_a_state_each(tmp_path: Path) -> None:
    classifier = Classifier(write_counter(tmp_path / "m.onnx"), ep="cpu")
    video = write_video(tmp_path / "a.mp4", [np.roll(scene(1), k % 3, 1) for k in range(25)])
    for _ in range(2):
        with classifier.stream(video) as stream:
            found = [steps_of(prediction) for _, prediction in stream]
        assert (found[0], found[-1]) == (1, 10), "each reading of a file is a clip of its own"
        assert steps_of(classifier(scene(1), source=str(video), time_s=0.0)) == 1


@pytest.mark.parametrize("frames", [6000])
def test_memory_stays_level(frames: int, tmp_path: Path) -> None:
    """Nothing is kept of a frame. (100,000 frames: `benchmarks/bench_runner.py soak`.)"""
    pipeline = SourcePipeline(
        Classifier(write_recurrent(tmp_path / "m.onnx", golden=False), ep="cpu", threads=1), None, None, "cam"
    )
    images = [np.full((SIDE, SIDE, 3), level, np.uint8) for level in (10, 90, 170, 250)]

    def run(start: int, stop: int) -> None:
        for k in range(start, stop):
            pipeline.frame(Frame(images[k % 4], "cam", k, media_time_s=k / 30, kind="video"))

    run(0, 1000)
    tracemalloc.start()
    try:
        run(1000, 2000)
        before = tracemalloc.get_traced_memory()[0]
        run(2000, frames)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 20_000, f"{grown} bytes in {frames - 2000} frames"


def test_models_of_single_images_load_nothing_of_this(tiny_model: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", [scene(1)] * 3)
    program = (
        "import sys\nfrom edgecnn import Classifier\n"
        "list(Classifier(sys.argv[1], ep='cpu').stream(sys.argv[2]))\n"
        "print([m for m in sys.modules if m.startswith(('edgecnn.runtime.temporal', 'edgecnn.data.clips'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tiny_model), str(video)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
