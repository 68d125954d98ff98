"""The service explains an answer when somebody asks, and has nothing open for it otherwise."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from serving.running import MODELS, TINY, ask, running
from taught_models import taught_with_thumbnails
from waiting import until

from edgecnn.errors import ProviderError
from edgecnn.manifest import TAUGHT_KEY
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.sources.frame import Frame
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.running import RunningService
from edgecnn.serving.why.explainers import Explainers
from edgecnn.serving.why.part import WhyPart

FRAME = Frame(np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8), "frame")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return taught_with_thumbnails(tmp_path_factory)


@pytest.fixture(scope="module")
def service(taught: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder, images = tmp_path_factory.mktemp("why"), taught.with_name("images")
    source = {
        "name": "door",
        "address": f"loop:{images / 'light'}@20",
        "regions": [{"name": "left", "roi": "0,0,.5,1"}],
    }
    values: dict[str, Any] = {
        "models": [{"name": "main", "file": taught}],
        "sources": [source, {"name": "whole", "address": f"loop:{images / 'light'}@20"}],
        "collect": {"dir": folder / "frames", "uncertain_below": 1.0, "min_interval_s": 0},
    }
    with running(folder, **values) as started:
        until(lambda: started.service.ready)
        yield started


def pixels(url: str) -> np.ndarray:
    """The image of a data URL."""
    head, _, data = url.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    found = cv2.imdecode(np.frombuffer(base64.b64decode(data, validate=True), np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return found


def why_part(service: RunningService) -> WhyPart:
    return next(part for part in service._parts if isinstance(part, WhyPart))


def test_the_newest_frame_is_explained(service: RunningService) -> None:
    found = ask(f"{service.url}/api/sources/whole/why").json
    assert found["model_sha256"] == service.service.first_model.current.sha256
    assert (found["model"], found["view"], found["before"]) == ("main", "whole", None)
    assert found["map_label"] == found["top"][0]["label"] == "light"
    image, layer = pixels(found["image"]), pixels(found["map"])
    assert image.shape == (48, 48, 3)
    assert layer.shape == (160, 160, 4)
    assert len(found["nearest"]) == 5
    assert {similar["label"] for similar in found["nearest"]} >= {"light"}
    for similar in found["nearest"]:
        assert pixels(similar["thumbnail"]).shape == (48, 48, 3)
        assert -1 <= similar["similarity"] <= 1


def test_a_region_is_explained_by_itself(service: RunningService) -> None:
    found = ask(f"{service.url}/api/sources/door/why?view=door.left&model=main").json
    assert found["view"] == "door.left"
    assert pixels(found["image"]).shape == (48, 24, 3)
    assert pixels(found["map"]).shape == (160, 80, 4)


def test_a_collected_frame_is_explained_beside_the_previous_model(service: RunningService, tmp_path: Path) -> None:
    frames = until(lambda: ask(f"{service.url}/api/collect?source=whole").json["frames"])
    served = service.service.first_model
    old = Path(shutil.copy(TINY, tmp_path / "old.onnx"))
    served.keep_previous(LoadedModel.of(Classifier(old, ep="cpu"), old))
    try:
        found = ask(f"{service.url}/api/collect/{frames[0]['id']}/why").json
        assert found["captured_at"] == frames[0]["captured_at"]
        assert found["label"] == frames[0]["label"]
        before = found["before"]
        assert before["map_label"] == before["top"][0]["label"] in ("circle", "square")
        assert pixels(before["map"]).shape == (160, 160, 4)
        old.unlink()  # a model whose file is gone still answers, and says why there is no map
        why_part(service).explainers.close()
        gone = ask(f"{service.url}/api/collect/{frames[0]['id']}/why").json["before"]
        assert (gone["label"], gone["map"]) == (before["label"], None)
        assert "its file cannot be opened again" in gone["map_reason"]
        assert str(tmp_path) not in gone["map_reason"]
    finally:
        served.keep_previous(None)


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/api/sources/nobody/why", 404, "no such source"),
        ("/api/sources/door/why?view=nobody", 404, "no such view; there are door.left"),
        ("/api/sources/door/why?model=nobody", 404, "no such model sees this source; there are main"),
        ("/api/collect/nothing/why", 404, "no such frame"),
        ("/api/collect/..%2f..%2fetc/why", 404, "no such"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(service: RunningService, path: str, status: int, reason: str) -> None:
    found = ask(service.url + path)
    assert found.status == status
    assert reason in found.json["error"]


def test_where_a_model_lies_is_not_told(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    path = service.service.first_model.current.classifier.session.path

    def failed(*_arguments: object) -> None:
        raise ProviderError(f"{path}: cpu failed on 1 images: out of memory")

    with monkeypatch.context() as patched:
        patched.setattr(Explainers, "explain", failed)
        found = ask(f"{service.url}/api/sources/whole/why")
        assert found.status == 422
        assert found.json["error"] == "taught.onnx: cpu failed on 1 images: out of memory"
    why_part(service).explainers.close()
    with monkeypatch.context() as patched:
        patched.setattr("edgecnn.runtime.why.explanation.ActivationMaps", failed)
        found = ask(f"{service.url}/api/sources/whole/why")
    why_part(service).explainers.close()
    assert found.json["label"] == "light"  # an answer without a map
    assert found.json["map_reason"] == "its file cannot be opened again: cpu failed on 1 images: out of memory"


def test_others_need_the_token(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecnn.serving.http.access.is_loopback", lambda host: False)
    for path in ("/api/sources/door/why", "/api/collect/x/why"):
        assert ask(service.url + path, headers={"Host": "127.0.0.1"}).status in (401, 403)


def test_a_frame_without_a_decision_is_not_explained(tmp_path: Path) -> None:
    black = tmp_path / "black"
    black.mkdir()
    cv2.imwrite(str(black / "1.png"), np.zeros((48, 48, 3), np.uint8))
    with running(tmp_path, sources=[{"name": "door", "address": f"loop:{black}@20"}]) as service:
        until(lambda: service.service.ready)
        found = until(lambda: ask(f"{service.url}/api/sources/door/why").json.get("status") and ask(
            f"{service.url}/api/sources/door/why"
        ).json)  # fmt: skip
        assert (found["status"], found["label"], found["map"], found["top"]) == ("no_decision", None, None, [])
        assert "black" in found["reason"]
        assert why_part(service).explainers.count == 0


def test_a_tampered_record_gives_one_line_and_no_answer(taught: Path, tmp_path: Path) -> None:
    model = parse_model(taught.read_bytes(), taught, with_data=True)
    next(entry for entry in model.metadata_props if entry.key == TAUGHT_KEY).value = "[" * 5000
    (tmp_path / "tampered.onnx").write_bytes(model.SerializeToString())
    fake = {"name": "door", "address": "fake:64x64@20"}
    with running(tmp_path, models=[{"file": tmp_path / "tampered.onnx"}], sources=[fake]) as service:
        until(lambda: service.service.ready)
        found = until(lambda: (answer := ask(f"{service.url}/api/sources/door/why")).status != 404 and answer)
        assert found.status == 422
        assert set(found.json) == {"error"}
        assert found.json["error"].startswith("tampered.onnx: the record of the taught images is invalid")
        assert ask(f"{service.url}/api/state").json["states"]  # it serves on


@pytest.fixture(scope="module")
def loaded(taught: Path) -> list[LoadedModel]:
    return [LoadedModel.of(Classifier(path, ep="cpu"), path) for path in (TINY, MODELS / "tiny.int8.onnx", taught)]


def test_nothing_is_open_until_somebody_asks_and_two_models_at_most(loaded: list[LoadedModel]) -> None:
    explainers = Explainers()
    assert explainers.count == 0
    for one, opened in zip(loaded, (1, 2, 2), strict=True):
        assert explainers.explain(one, FRAME)[1].map_reason is None
        assert explainers.count == opened
    explainers.close()
    assert explainers.count == 0


def test_two_models_of_one_file_are_explained_by_their_own_thresholds() -> None:
    explainers = Explainers()
    strict, lax = (LoadedModel.of(Classifier(TINY, ep="cpu", threshold=limit), TINY) for limit in (1.0, 0.0))
    answers = [explainers.explain(loaded, FRAME)[1].prediction.status for loaded in (strict, lax)]
    explainers.close()
    assert answers == ["unknown", "ok"]


def test_what_is_open_is_closed_when_nobody_asks_for_a_while(loaded: list[LoadedModel]) -> None:
    explainers = Explainers(idle_s=0.05)
    explainers.explain(loaded[0], FRAME)
    until(lambda: explainers.count == 0)


def test_questions_do_not_hold_the_decisions_up(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames go on while an explanation takes long and others wait for theirs; then all are answered."""
    runner, explainers = service.service.sources["whole"], why_part(service).explainers
    explain, asked, go_on = explainers.explain, threading.Event(), threading.Event()

    def slow(loaded: LoadedModel, frame: Frame) -> Any:
        asked.set()
        assert go_on.wait(60)
        return explain(loaded, frame)

    monkeypatch.setattr(explainers, "explain", slow)
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(ask, f"{service.url}/api/sources/whole/why", timeout_s=60) for _ in range(6)]
        try:
            assert asked.wait(20)
            before = runner.status().frames
            until(lambda: runner.status().frames >= before + 5)
            assert not any(answer.done() for answer in answers)
        finally:
            go_on.set()
        assert [answer.result(60).status for answer in answers] == [200] * 6
