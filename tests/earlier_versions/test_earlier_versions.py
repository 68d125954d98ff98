"""What versions 0.1 and 0.2 wrote is read by this one; what a later version writes gets one line that says to update."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.errors import EdgeCNNError
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import SmoothingOptions, read_smoothing
from edgecnn.serving.bundle.index import BundleIndex, IndexFaultError
from edgecnn.serving.bundle.verify import verify_bundle
from edgecnn.serving.engine.region_store import RegionStore
from edgecnn.serving.settings.reading import read_settings
from edgecnn.serving.swap.restoring import restore_models
from edgecnn.serving.swap.stored_models import StoredModels

HERE = Path(__file__).parent
IMAGES = sorted((HERE / "images").rglob("*.bmp"))
VERSIONS = ("0.1", "0.2")
MODEL_FILES = [
    (version, name) for version in VERSIONS for name in json.loads((HERE / version / "answers.json").read_text())
]


@pytest.mark.parametrize(("version", "name"), MODEL_FILES)
def test_a_model_file_of_an_earlier_version_answers_as_it_did(version: str, name: str) -> None:
    answers = json.loads((HERE / version / "answers.json").read_text())[name]
    classifier = Classifier(HERE / version / name, ep="cpu", threads=1, prove=True)
    assert classifier.manifest.created_by == f"edgecnn {version}.0"
    tolerance = 1e-5 if classifier.manifest.precision == "fp32" else 1e-3
    for path, expected in zip(IMAGES, answers, strict=True):
        found = {score.label: score.score for score in classifier(path).top}
        assert found == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("version", VERSIONS)
def test_thresholds_of_an_earlier_version_mean_what_they_meant(version: str) -> None:
    smoothing = read_smoothing(HERE / version / "smoothing.json")
    assert smoothing == SmoothingOptions("average", 1.5, 0.7, 0.4, 0.5, 3.0)
    health = FrameQualityThresholds.load(HERE / version / "health.json")
    assert (health.dark_level, health.bright_share, health.oldest_s) == (20, 0.8, 1.5)


def test_settings_of_an_earlier_version_mean_what_they_meant() -> None:
    settings = read_settings(HERE / "0.2" / "edgecnn.toml", {})
    assert settings.device == "line-3"
    assert settings.models[0].threshold == 0.6
    assert settings.sources[0].regions[0].roi == "0,0,0.5,1"
    assert (settings.swap.mode, settings.collect.max_mb, settings.teach.nice) == ("confirm", 100.0, 10)
    assert settings.mqtt is not None
    assert settings.mqtt.base_topic == "factory"
    assert settings.webhooks[0].retries == 2


def test_a_state_folder_of_an_earlier_version_serves_the_model_and_regions_that_it_says(tmp_path: Path) -> None:
    state = Path(shutil.copytree(HERE / "0.2" / "state", tmp_path / "state"))
    settings = read_settings(HERE / "0.2" / "edgecnn.toml", {})
    stored = StoredModels(state, "parts")
    pointer = stored.pointer()
    assert pointer is not None
    shutil.copy(
        HERE / "0.2" / "bundle" / "model.onnx", stored.file(pointer.current)
    )  # once in the repository is enough
    restored = restore_models(settings, state)["parts"]
    assert (restored.current.sha256, restored.faults) == (pointer.current, ())
    assert [region.name for region in RegionStore(state).regions(settings.sources[0])] == ["middle"]


def test_a_bundle_of_an_earlier_version_verifies() -> None:
    pytest.importorskip("model_signing")
    found = verify_bundle(HERE / "0.2" / "bundle", HERE / "0.2" / "bundle-key.pub.pem")
    assert found.ok, found.findings
    assert found.findings[0].what == "signed and unchanged: version 7, linux-aarch64"


def _with(path: Path, tmp_path: Path, **changes: object) -> Path:
    changed = tmp_path / path.name
    changed.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return changed


LATER: dict[str, Callable[[Path], object]] = {
    "smoothing": lambda tmp: read_smoothing(_with(HERE / "0.2" / "smoothing.json", tmp, schema_version=2, later=1)),
    "health": lambda tmp: FrameQualityThresholds.load(_with(HERE / "0.2" / "health.json", tmp, schema=2, later=1)),
}


@pytest.mark.parametrize("what", LATER)
def test_a_file_of_a_later_version_is_one_line_that_says_to_update(what: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeCNNError) as refused:
        LATER[what](tmp_path)
    message = str(refused.value)
    assert "\n" not in message
    assert "2" in message
    assert "update EdgeCNN" in message


def test_a_bundle_of_a_later_version_says_to_update() -> None:
    later = {**json.loads((HERE / "0.2" / "bundle" / "bundle.json").read_text()), "format": 2}
    with pytest.raises(IndexFaultError, match="has format 2") as refused:
        BundleIndex.from_json(json.dumps(later).encode())
    assert "update EdgeCNN" in refused.value.remedy


def test_a_setting_of_a_later_version_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "edgecnn.toml"
    path.write_text((HERE / "0.2" / "edgecnn.toml").read_text() + "\n[later]\nkey = 1\n")
    with pytest.raises(EdgeCNNError, match=r"edgecnn\.toml, line \d+: later: is no setting of EdgeCNN"):
        read_settings(path, {})


def test_the_pointer_of_a_later_version_gives_way_to_the_configured_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = Path(shutil.copytree(HERE / "0.2" / "state", tmp_path / "state"))
    path = state / "models" / "parts" / "serving.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 2}))
    restored = restore_models(read_settings(HERE / "0.2" / "edgecnn.toml", {}), state)["parts"]
    assert restored.current.sha256 == restored.configured_sha256
    (line,) = caplog.messages
    assert "a later version" in line
    assert "update EdgeCNN" in line
