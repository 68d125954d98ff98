"""Tensors computed from where the walk stands are those computed from the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from exporters.graph import partial_runner as walk_module
from exporters.graph.blocks import find_blocks
from exporters.graph.partial_runner import PartialRunner


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(
        0, 256, (11, 32, 32, 3), np.uint8
    )  # more than a batch, and no multiple of one


def _whole(walk: PartialRunner, model: onnx.ModelProto, name: str) -> np.ndarray:
    return np.concatenate(list(walk.outputs(model, name)))


@pytest.mark.parametrize("file", ["tiny.onnx", "tiny.int8.onnx"])
def test_a_walk_that_went_on_gives_what_one_from_the_images_gives(
    file: str, tiny_model: Path, images: np.ndarray
) -> None:
    model = onnx.load(tiny_model.with_name(file))
    convolutions = [n.output[0] for n in model.graph.node if n.op_type == "Conv"]
    walk = PartialRunner(images)
    walk.advance(model, convolutions[0])
    np.testing.assert_allclose(
        _whole(walk, model, convolutions[1]), _whole(PartialRunner(images), model, convolutions[1]), rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(
        _whole(walk, model, "probabilities"), _whole(PartialRunner(images), model, "probabilities"), rtol=0, atol=1e-5
    )
    assert np.array_equal(_whole(walk, model, convolutions[0]), _whole(PartialRunner(images), model, convolutions[0]))


def test_what_is_too_large_is_not_kept(tiny_model: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load(tiny_model)
    first = next(n.output[0] for n in model.graph.node if n.op_type == "Conv")
    monkeypatch.setattr(walk_module, "_MAX_BYTES", 1000)
    walk = PartialRunner(images)
    walk.advance(model, first)
    assert walk._name == "image"
    assert _whole(walk, model, first).shape[0] == len(images)


def test_blocks_name_the_tensor_that_leaves_them(tiny_model: Path) -> None:
    model = onnx.load(tiny_model)
    *before, last = find_blocks(model)
    assert last.output is None
    made = {name for node in model.graph.node for name in node.output}
    assert all(block.output in made for block in before)
