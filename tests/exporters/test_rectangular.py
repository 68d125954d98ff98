"""A network whose input is no square: from the image file to the label every form sees the same pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapes import write_shapes

from edgecnn import Classifier
from edgecnn.preprocess import preprocess
from edgecnn.training import TrainOptions, train
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.torch_backend import open_checkpoint
from exporters import QuantizeOptions, export_onnx, quantize, verify

_HEIGHT, _WIDTH = 24, 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("data"), 12, side=50, first_seed=40)


@pytest.fixture(scope="module", params=["resnet8", "threeconv"])
def checkpoint(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    size = (_HEIGHT, _WIDTH)
    options = TrainOptions(
        data=data,
        out=tmp_path_factory.mktemp("run") / "run",
        model=request.param,
        weights="none",
        imgsz=size,
        epochs=2,
        batch=8,
        device="cpu",
        augment="light",
    )
    return Path(train(options).best_checkpoint)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Path:
    out = checkpoint.with_suffix(".onnx")
    export_onnx(checkpoint, out)
    return out


def test_the_model_file_takes_images_of_that_height_and_width(checkpoint: Path, model: Path, data: Path) -> None:
    assert load_checkpoint(checkpoint).manifest.input == open_checkpoint(checkpoint).manifest.input
    classifier = Classifier(model, ep="cpu", prove=True)  # golden samples replayed
    size = classifier.manifest.input
    assert (size.height, size.width) == (_HEIGHT, _WIDTH)
    assert preprocess(next((data / "circle").iterdir()), size, classifier.manifest.preprocess).shape == (24, 40, 3)


def test_the_runner_gives_the_checkpoints_probabilities_for_a_file(checkpoint: Path, model: Path, data: Path) -> None:
    backend, classifier = open_checkpoint(checkpoint), Classifier(model, ep="cpu", threshold=0.0)
    files = sorted((data / "square").iterdir())[:4]
    pixels = np.stack([preprocess(f, backend.manifest.input, backend.manifest.preprocess) for f in files])
    for expected, answer in zip(backend.probabilities(pixels), classifier.batch(files), strict=True):
        assert answer.label == backend.manifest.labels[int(expected.argmax())]
        assert answer.score == pytest.approx(float(expected.max()), abs=1e-5)


def test_the_int8_file_and_the_float_file_hold_against_the_checkpoint(
    checkpoint: Path, model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "int8.onnx"
    quantize(model, data, out, QuantizeOptions(max_drop=1.0, min_speedup=0.01))
    result = verify(checkpoint, [model, out], data, max_drop=1.0, min_agreement=0.0)
    assert [stage.kind for stage in result.stages][:2] == ["torch", "onnx-fp32"]
    assert result.stages[1].max_abs_diff < 1e-5
    assert result.stages[2].max_abs_diff < 0.1
    size = Classifier(out, ep="cpu").manifest.input
    assert (size.height, size.width) == (_HEIGHT, _WIDTH)


def test_a_run_that_starts_from_it_keeps_weights_that_depend_on_the_size(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    name = load_checkpoint(checkpoint).model
    options = TrainOptions(
        data=data,
        out=tmp_path / "run",
        model=name,
        weights=str(checkpoint),
        imgsz=(_HEIGHT, _WIDTH),
        epochs=0,
        device="cpu",
        teacher=checkpoint,
    )
    assert load_checkpoint(Path(train(options).best_checkpoint)).manifest.input.width == _WIDTH
