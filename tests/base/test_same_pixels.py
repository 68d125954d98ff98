"""Training, the runner, teaching and the cluster see the same pixels of every image, whatever its format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from format_set import write_format_set
from scaled_model import scaled_model

from edgecnn.data.image_folder import scan_folder
from edgecnn.preprocess import Image, preprocess
from edgecnn.progress import Silent
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.frame_classifier import FrameClassifier
from edgecnn.runtime.sources.files import read_frame
from edgecnn.scale.images.storage import Storage
from edgecnn.scale.worker import Shard, ShardWorker, WorkerOrder
from edgecnn.teaching.labelled_images import _read
from edgecnn.training.data.load import load_training_data
from edgecnn.training.data.pixel_cache import PixelPlan

FORMATS = 49


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_format_set(tmp_path_factory.mktemp("formats"))


@pytest.mark.parametrize("decode", ["full", "scaled"])
def test_every_way_to_an_answer_sees_the_same_tensor_of_every_format(
    decode: str, files: list[Path], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.preprocess._LEAST_PIXELS", 0)  # so that small JPEGs are decoded smaller too
    model = scaled_model(tiny_model, tmp_path / "scaled.onnx") if decode == "scaled" else tiny_model
    with Classifier(model, ep="cpu") as classifier:
        manifest = classifier.manifest
        expected = np.stack([preprocess(path, manifest.input, manifest.preprocess) for path in files])
        assert len(files) == len(np.unique(expected, axis=0)) == FORMATS
        whole = np.stack([preprocess(path, manifest.input, tiny_spec(tiny_model)) for path in files])
        fewer = [not np.array_equal(one, other) for one, other in zip(expected, whole, strict=True)]
        assert sum(fewer) == (sum(path.suffix in (".jpg", ".jpeg") for path in files) if decode == "scaled" else 0)
        assert np.array_equal(in_training(files, classifier, tmp_path), expected)
        assert np.array_equal(in_the_runner(files, classifier), expected)
        assert np.array_equal(in_teaching(files, classifier), expected)
    assert np.array_equal(on_the_cluster(files, model, monkeypatch), expected)


def tiny_spec(tiny_model: Path):
    with Classifier(tiny_model, ep="cpu") as classifier:
        return classifier.manifest.preprocess


def in_training(files: list[Path], classifier: Classifier, folder: Path) -> Image:
    """As a run decodes, splits and keeps them."""
    manifest = classifier.manifest
    plan = PixelPlan(folder, manifest.input, manifest.input, manifest.preprocess)
    data = load_training_data(files[0].parents[1], 0.2, 0.0, 0, Silent(), 1, plan=plan)
    assert not data.skipped
    assert data.pixels is not None
    rows = {sample.path: sample.row for sample in data.samples}
    return data.pixels.exact([rows[path] for path in files])[:]


def in_the_runner(files: list[Path], classifier: Classifier) -> Image:
    model = classifier.manifest.model_input
    return np.stack([classifier.fit(read_frame(str(path), 0, model=model)) for path in files])


def in_teaching(files: list[Path], classifier: Classifier) -> Image:
    found = list(_read(scan_folder(files[0].parents[1]).images, classifier.session, 10**6, 1, thumbnails=False))
    assert not any(part.faults for part in found)
    images = {stats.file.path: image for part in found for stats, image in zip(part.stats, part.images, strict=True)}
    return np.stack([images[path] for path in files])


def on_the_cluster(files: list[Path], model: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """As a worker of ``predict --engine ray`` reads and answers a shard; what it fits is kept."""
    pytest.importorskip("pyarrow")
    seen: list[Image] = []
    fit = FrameClassifier.fit
    monkeypatch.setattr(FrameClassifier, "fit", lambda self, frame: seen.append(fit(self, frame)) or seen[-1])
    order = WorkerOrder(model.name, model.read_bytes(), {"ep": "cpu"}, Storage("/"), None, labelled=False, local=None)
    worker = ShardWorker(order)
    worker.open()
    found = worker.answer(Shard(0, 0, list(map(str, files))))
    assert (found.facts.images, found.facts.statuses["error"]) == (FORMATS, 0)
    return np.stack(seen)
