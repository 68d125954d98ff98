"""Tensors computed from where the walk stands are those computed from the images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from exporters.graph import partial_runner as walk_module
from exporters.graph.blocks import find_blocks
from exporters.graph.partial_runner import Collector, PartialRunner


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
    walk.store(convolutions[0], list(walk.outputs(model, convolutions[0])))
    np.testing.assert_allclose(
        _whole(walk, model, convolutions[1]), _whole(PartialRunner(images), model, convolutions[1]), rtol=0, atol=1e-5
    )
    np.testing.assert_allclose(
        _whole(walk, model, "probabilities"), _whole(PartialRunner(images), model, "probabilities"), rtol=0, atol=1e-5
    )
    assert np.array_equal(_whole(walk, model, convolutions[0]), _whole(PartialRunner(images), model, convolutions[0]))


def test_what_later_tensors_do_not_need_is_dropped(tiny_model: Path, images: np.ndarray) -> None:
    model = onnx.load(tiny_model)
    first, second, *_ = (n.output[0] for n in model.graph.node if n.op_type == "Conv")
    walk = PartialRunner(images)
    for name in (first, second):
        walk.store(name, list(walk.outputs(model, name)))
        walk.keep_for(model, ["probabilities"])
        assert list(walk.stored) == [name]
    whole = _whole(PartialRunner(images), model, first)
    np.testing.assert_allclose(_whole(walk, model, first), whole, rtol=0, atol=1e-5)  # from the images again


def test_what_is_too_large_is_not_kept(images: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, fits in ((images.nbytes, True), (images.nbytes - 1, False)):
        monkeypatch.setattr(walk_module, "_MAX_BYTES", limit)
        kept = Collector(len(images))
        for i in range(0, len(images), 4):
            kept.add(images[i : i + 4])
        assert (kept.batches is not None) == fits
        if kept.batches is not None:
            np.testing.assert_array_equal(np.concatenate(kept.batches), images)


def test_blocks_name_the_tensor_that_leaves_them(tiny_model: Path) -> None:
    model = onnx.load(tiny_model)
    *before, last = find_blocks(model)
    assert last.output is None
    made = {name for node in model.graph.node for name in node.output}
    assert all(block.output in made for block in before)
