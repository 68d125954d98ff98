"""A view is checked once and decided on by every model that sees it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from serving.running import MODELS, TINY, ask, running, settings_of
from shapes import shape_image
from waiting import until

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.served_model import LoadedModel, ServedModel
from edgecnn.serving.engine.view import View, ViewDecisions


def loaded(name: str = "tiny.onnx") -> LoadedModel:
    return LoadedModel.of(Classifier(MODELS / name), MODELS / name)


def frame(image: np.ndarray, index: int = 0) -> Frame:
    return Frame(image, "door", index, kind="stream")


def test_several_models_decide_on_one_frame_that_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    check = FrameQualityChecker.check
    monkeypatch.setattr(
        FrameQualityChecker, "check", lambda self, f, now_s=None: checked.append(f) or check(self, f, now_s)
    )
    models = [ServedModel("float", loaded()), ServedModel("int8", loaded("tiny.int8.onnx"))]
    view = ViewDecisions(View("door"), models, HealthThresholds(), None)
    decisions = list(view.frame(frame(shape_image("circle", 1, 64)), 1))
    assert [d.model for d in decisions] == ["float", "int8"]
    assert {d.prediction.label for d in decisions} == {"circle"}
    assert len({d.prediction.model_sha256 for d in decisions}) == 2
    assert len(checked) == 1


def test_an_unfit_frame_gives_no_decision_and_no_model_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ServedModel("main", loaded())
    monkeypatch.setattr(model.current.classifier, "answer", lambda *_: pytest.fail("it ran"))
    view = ViewDecisions(View("door"), [model], HealthThresholds(), None)
    black = next(view.frame(frame(np.zeros((64, 64, 3), np.uint8)), 1))
    assert (black.prediction.status, black.prediction.label) == ("no_decision", None)
    assert black.prediction.reason.startswith("black")


def test_a_new_model_decides_from_the_next_frame_on_and_its_hash_says_so() -> None:
    model = ServedModel("main", loaded())
    view = ViewDecisions(View("door"), [model], HealthThresholds(), None)
    before = next(view.frame(frame(shape_image("circle", 1, 64), 0), 1))
    model.replace(loaded("tiny.int8.onnx"))
    after = next(view.frame(frame(shape_image("square", 2, 64), 1), 2))
    assert before.prediction.model_sha256 != after.prediction.model_sha256 == model.current.sha256
    assert model.roll_back()
    again = next(view.frame(frame(shape_image("square", 3, 64), 2), 3))
    assert again.prediction.model_sha256 == before.prediction.model_sha256


def test_a_model_that_fails_gives_an_error_and_the_others_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = ServedModel("broken", loaded()), ServedModel("sound", loaded())

    def fail(*_: object) -> None:
        raise EdgeCNNError("the accelerator has gone")

    monkeypatch.setattr(broken.current.classifier, "answer", fail)
    view = ViewDecisions(View("door"), [broken, sound], HealthThresholds(), None)
    first, second = view.frame(frame(shape_image("circle", 1, 64)), 1)
    assert (first.prediction.status, first.prediction.reason) == ("error", "the accelerator has gone")
    assert second.prediction.status == "ok"


def test_a_shadow_holds_no_decision_of_another_model_up() -> None:
    told: list[str] = []

    class Shadow:
        def watch(self, *_: object) -> None:
            told.append("shadow")

    first, second = ServedModel("first", loaded()), ServedModel("second", loaded("tiny.int8.onnx"))
    first.shadow = Shadow()
    view = ViewDecisions(View("door"), [first, second], HealthThresholds(), None)
    for decided in view.frame(frame(shape_image("circle", 1, 64)), 1):
        told.append(decided.model)  # noqa: PERF401  # the shadow tells too, meanwhile
    assert told == ["first", "second", "shadow"]


def test_each_source_has_the_models_that_it_names(tmp_path: Path) -> None:
    models = [{"name": "a", "file": TINY}, {"name": "b", "file": MODELS / "tiny.int8.onnx"}]
    sources = [
        {"name": "door", "address": "fake:64x64@20", "models": ["b"]},
        {"name": "yard", "address": "fake:64x64@20"},
    ]
    assert len(settings_of(tmp_path, models=models, sources=sources).sources) == 2
    with running(tmp_path, models=models, sources=sources) as service:
        wanted = {("door", "b"), ("yard", "a"), ("yard", "b")}
        until(lambda: {(s["view"], s["model"]) for s in ask(f"{service.url}/api/state").json["states"]} == wanted)
