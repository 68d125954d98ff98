"""``/api/info`` and ``/api/image``: keys and types that a client of Edge Impulse's runner reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving.http_forms import form
from serving.running import MODELS, TINY, ask, running

from edgecnn import Classifier
from edgecnn.serving.running import RunningService

# What library/classifier/linux-impulse-runner-types.ts declares, and the type of each
PROJECT = {"id": int, "owner": str, "name": str, "deploy_version": int}
PARAMETERS = {
    "axis_count": int,
    "frequency": int,
    "has_anomaly": int,
    "input_features_count": int,
    "image_input_height": int,
    "image_input_width": int,
    "image_input_frames": int,
    "image_channel_count": int,
    "image_resize_mode": str,
    "interval_ms": int,
    "label_count": int,
    "sensor": int,
    "labels": list,
    "model_type": str,
    "slice_size": int,
    "use_continuous_mode": bool,
    "has_performance_calibration": bool,
    "thresholds": list,
    "sensorType": str,
    "has_visual_anomaly_detection": bool,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = [{"name": "main", "file": TINY}, {"name": "int8", "file": MODELS / "tiny.int8.onnx"}]
    with running(tmp_path_factory.mktemp("service"), models=models) as service:
        yield service


@pytest.fixture(scope="module")
def image(shapes: Path) -> Path:
    return min((shapes / "circle").iterdir())


def post(service: RunningService, content: bytes, query: str = ""):
    body, headers = form(content)
    return ask(f"{service.url}/api/image{query}", body=body, headers=headers)


def test_info_has_what_the_runner_declares(service) -> None:
    found = ask(f"{service.url}/api/info").json
    for values, declared in ((found["project"], PROJECT), (found["modelParameters"], PARAMETERS)):
        assert {key: type(values[key]) for key in declared} == declared
    parameters = found["modelParameters"]
    assert (parameters["image_input_width"], parameters["image_input_height"]) == (32, 32)
    assert parameters["labels"] == ["circle", "square"]
    assert (parameters["model_type"], parameters["image_resize_mode"]) == ("classification", "squash")


def test_another_file_has_another_deploy_version(service) -> None:
    versions = {ask(f"{service.url}/api/info?model={m}").json["project"]["deploy_version"] for m in ("main", "int8")}
    assert len(versions) == 2


def test_an_image_gets_the_probability_of_every_class(service, image: Path) -> None:
    found = post(service, image.read_bytes()).json
    with Classifier(TINY, ep="cpu") as classifier:
        expected = classifier.session.probabilities(classifier.fitted([image]))[0]
    assert list(found["result"]["classification"]) == ["circle", "square"]
    np.testing.assert_allclose(list(found["result"]["classification"].values()), expected, rtol=1e-6)
    assert found["timing"].keys() == {"dsp", "classification", "anomaly"}
    assert all(isinstance(ms, int | float) for ms in found["timing"].values())
    assert found["result"]["resized"] == {"originalWidth": 48, "originalHeight": 48, "newWidth": 32, "newHeight": 32}
    assert found["model_sha256"] == service.service.models["main"].current.sha256


def test_the_reason_of_a_missing_label_is_told(tmp_path: Path, image: Path) -> None:
    with running(tmp_path, models=[{"file": TINY, "threshold": 1.1}]) as service:
        found = post(service, image.read_bytes()).json
    assert (found["status"], found["label"]) == ("unknown", None)
    assert found["info"].startswith("unknown: score ")
    assert len(found["result"]["classification"]) == 2


def test_an_invalid_output_shows_no_numbers(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as service:
        session = service.service.first_model.current.classifier.session
        run = session._run
        monkeypatch.setattr(session, "_run", lambda *given: [np.full_like(found, np.nan) for found in run(*given)])
        found = post(service, image.read_bytes()).json
    assert found["status"] == "no_decision"
    assert "invalid output" in found["info"]
    assert found["result"]["classification"] == {}


def test_a_wrong_request_is_refused(service) -> None:
    assert post(service, b"no image").status == 422
    assert post(service, b"no image", "?model=other").status == 404
    answer = ask(f"{service.url}/api/image", body=b"\xff\xd8")
    assert answer.status == 400
    assert "form" in answer.json["error"]
