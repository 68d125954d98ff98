"""The shadow compares raw answers, runs no model twice, and cannot harm the thread that decides."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.running import TINY
from serving.swap.swap_models import admitted, good, with_labels, write

from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import SmoothingOptions
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.view import View, ViewDecisions
from edgecnn.serving.swap.records import SwapTicket
from edgecnn.serving.swap.shadow import ShadowRun
from edgecnn.serving.swap.worker import Worker


def frame_of(number: int) -> Frame:
    """A frame that a camera has just given."""
    pixels = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
    return Frame(pixels, "camera", number, kind="stream")


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    worker.start()
    yield worker
    worker.stop(5)


@pytest.fixture
def serving() -> LoadedModel:
    return LoadedModel.of(Classifier(TINY), TINY)


class Run:
    """A shadow run, and how it ended."""

    def __init__(self, path: Path, content: bytes, serving: LoadedModel, worker: Worker, wanted: int = 20) -> None:
        file = write(path, "new.onnx", admitted(content))
        self.loaded = LoadedModel.of(Classifier(file), file)
        self.done: list[ShadowRun] = []
        self.failed: list[str] = []
        ticket = SwapTicket("id", "main", self.loaded.sha256)
        self.shadow = ShadowRun(
            ticket,
            self.loaded,
            "new",
            serving,
            wanted,
            worker,
            self.done.append,
            lambda _, why: self.failed.append(why),
        )


def answer(loaded: LoadedModel, frame: Frame) -> Prediction:
    return loaded.classifier.answer([frame])[0].prediction


def counted(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts the inferences of a model."""
    calls: list[int] = []
    inner = loaded.classifier.session.outputs

    def counting(images: Any, *names: Any) -> Any:
        calls.append(len(images))
        return inner(images, *names)

    monkeypatch.setattr(loaded.classifier.session, "outputs", counting)
    return calls


def test_it_ends_after_its_frames_and_keeps_a_few_that_differ(
    tmp_path: Path, serving: LoadedModel, worker: Worker
) -> None:
    run = Run(tmp_path, with_labels("square", "circle"), serving, worker)
    for number in range(1, 31):
        frame = frame_of(number)
        run.shadow.watch("door", frame, number, answer(serving, frame))
    worker.stop(5)
    report = run.shadow.report()
    assert (report.frames, report.agreement, run.done) == (20, 0, [run.shadow])
    assert [frame.number for frame in report.differing] == list(range(1, 13))
    assert all(frame.jpeg[:2] == b"\xff\xd8" for frame in report.differing)


def test_answers_of_another_model_than_the_serving_one_are_not_compared(
    tmp_path: Path, serving: LoadedModel, worker: Worker
) -> None:
    run = Run(tmp_path, good(20), serving, worker)
    run.shadow.watch("door", frame_of(0), 1, answer(run.loaded, frame_of(0)))
    assert run.shadow.report().frames == 0
    run.shadow.watch("door", frame_of(0), 1, answer(serving, frame_of(0)))
    assert run.shadow.report().frames == 1


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError("no memory")])
def test_a_failure_of_the_new_model_ends_the_swap_and_is_not_raised(
    tmp_path: Path, serving: LoadedModel, worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = Run(tmp_path, good(21), serving, worker)

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(run.loaded.classifier.session, "outputs", fail)
    run.shadow.watch("door", frame_of(0), 1, answer(serving, frame_of(0)))
    run.shadow.watch("door", frame_of(1), 2, answer(serving, frame_of(1)))
    worker.stop(5)
    assert run.failed == [f"it fails on a live frame: {error}"]


def test_the_decision_is_out_before_the_shadow_runs_and_no_model_runs_twice(
    tmp_path: Path, serving: LoadedModel, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, good(22), serving, worker)
    served = ServedModel("main", serving)
    served.shadow = run.shadow
    views = ViewDecisions(View("door"), [served], FrameQualityThresholds(), None)
    old, new = counted(serving, monkeypatch), counted(run.loaded, monkeypatch)
    decisions = views.frame(frame_of(0), 1)
    next(decisions)
    assert (len(old), len(new)) == (1, 0)
    assert list(decisions) == []
    assert (len(old), len(new)) == (1, 1)


def test_smoothed_answers_are_compared_as_the_model_gave_them(
    tmp_path: Path, serving: LoadedModel, worker: Worker
) -> None:
    """Smoothing holds the first label for an hour, so that the smoothed answers would differ from any raw ones."""
    served = ServedModel("main", serving)
    run = Run(tmp_path, good(23), serving, worker)
    served.shadow = run.shadow
    views = ViewDecisions(View("door"), [served], FrameQualityThresholds(), SmoothingOptions(hold_s=3600, gap_s=3600))
    decided = [decision for i in range(1, 21) for decision in views.frame(frame_of(i), i)]
    assert {decision.prediction.status for decision in decided} != {"ok"}
    assert run.shadow.report().agreement == 1


def test_frames_that_are_unfit_are_not_compared(tmp_path: Path, serving: LoadedModel, worker: Worker) -> None:
    run = Run(tmp_path, good(24), serving, worker)
    served = ServedModel("main", serving)
    served.shadow = run.shadow
    views = ViewDecisions(View("door"), [served], FrameQualityThresholds(), None)
    black = Frame(np.zeros((48, 64, 3), np.uint8), "camera", 0, kind="stream")
    decided = list(views.frame(black, 1))
    assert decided[0].prediction.status == "no_decision"
    assert run.shadow.report().frames == 0


def test_an_image_of_a_request_is_compared_too(tmp_path: Path, serving: LoadedModel, worker: Worker) -> None:
    run = Run(tmp_path, good(25), serving, worker)
    run.shadow.watch(None, frame_of(0), 0, answer(serving, frame_of(0)))
    assert run.shadow.report().frames == 1
