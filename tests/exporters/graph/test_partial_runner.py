"""Tensors computed from where the walk stands are those computed from the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from exporters.graph import partial_runner as walk_module
from exporters.graph.blocks import find_blocks
from exporters.graph.partial_runner import Walk


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (11, 32, 32, 3), np.uint8)  # more than a batch, and no multiple of one


def _whole(walk: Walk, model: onnx.ModelProto, name: str) -> np.ndarray:
    return np.concatenate(list(walk.outputs(model, name)))


@pytest.mark.parametrize("file", ["tiny.onnx", "tiny.int8.onnx"])
def test_a_walk_that_went_on_gives_what_one_from_the_pictures_gives(file: str, tiny_model: Path, pictures: np.ndarray) -> None:
    model = onnx.load(tiny_model.with_name(file))
    convolutions = [n.output[0] for n in model.graph.node if n.op_type == "Conv"]
    walk = Walk(pictures)
    walk.advance(model, convolutions[0])
    np.testing.assert_allclose(_whole(walk, model, convolutions[1]), _whole(Walk(pictures), model, convolutions[1]), rtol=0, atol=1e-5)
    np.testing.assert_allclose(_whole(walk, model, "probabilities"), _whole(Walk(pictures), model, "probabilities"), rtol=0, atol=1e-5)
    assert np.array_equal(_whole(walk, model, convolutions[0]), _whole(Walk(pictures), model, convolutions[0]))


def test_what_is_too_large_is_not_kept(tiny_model: Path, pictures: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load(tiny_model)
    first = next(n.output[0] for n in model.graph.node if n.op_type == "Conv")
    monkeypatch.setattr(walk_module, "_MOST_BYTES", 1000)
    walk = Walk(pictures)
    walk.advance(model, first)
    assert walk._name == "image"
    assert _whole(walk, model, first).shape[0] == len(pictures)


def test_blocks_name_the_tensor_that_leaves_them(tiny_model: Path) -> None:
    model = onnx.load(tiny_model)
    *before, last = find_blocks(model)
    assert last.output is None
    made = {name for node in model.graph.node for name in node.output}
    assert all(block.output in made for block in before)
