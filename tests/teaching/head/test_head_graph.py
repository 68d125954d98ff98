"""The classifier of a model file is read as a linear head, and replaced without touching the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edgecnn.features.linear_head import LinearHead, log_softmax
from edgecnn.features.subspace import fit_subspace
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.teaching.head.head_graph import NewHead, read_head, with_head


def run(content: bytes, names: list[str], side: int) -> list[np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (5, side, side, 3)).astype(np.uint8)
    return onnxruntime.InferenceSession(content).run(names, {"image": images})


@pytest.fixture(params=["tiny_model", "tiny_int8_model"])
def file(request: pytest.FixtureRequest) -> ModelFile:
    return read_model_file(request.getfixturevalue(request.param))


def side_of(file: ModelFile) -> int:
    return onnxruntime.InferenceSession(file.content).get_inputs()[0].shape[1]


def test_the_head_that_is_read_gives_the_probabilities_of_the_file(file: ModelFile) -> None:
    probabilities, embedding = run(file.content, ["probabilities", "embedding"], side_of(file))
    head = read_head(file, embedding.shape[1])
    np.testing.assert_allclose(np.exp(log_softmax(head.logits(embedding))), probabilities, atol=1e-6)


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_the_new_head_computes_what_it_should_and_the_embedding_stays(file: ModelFile, temperature: float) -> None:
    side = side_of(file)
    (before,) = run(file.content, ["embedding"], side)
    random = np.random.default_rng(1)
    head = LinearHead(random.standard_normal((5, before.shape[1])), random.standard_normal(5))
    subspace = fit_subspace(random.random((100, before.shape[1])))
    content = with_head(file, NewHead(head, temperature, subspace), [("key", "välue")])
    probabilities, embedding, scores = run(content, ["probabilities", "embedding", "unknown_score"], side)
    np.testing.assert_array_equal(embedding, before)
    np.testing.assert_allclose(probabilities, np.exp(log_softmax(head.logits(before) / temperature)), atol=1e-5)
    assert subspace is not None
    np.testing.assert_allclose(scores, subspace.distances(before), atol=1e-5)
    assert onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map == {"key": "välue"}


def test_a_head_can_be_replaced_again_and_nothing_of_the_first_stays(file: ModelFile) -> None:
    width = run(file.content, ["embedding"], side_of(file))[0].shape[1]
    heads = [LinearHead(np.full((n, width), 0.5), np.zeros(n)) for n in (7, 3)]
    subspace = fit_subspace(np.random.default_rng(1).random((100, width)))
    once = with_head(file, NewHead(heads[0], 2.0, subspace), [])
    twice = with_head(ModelFile(file.path, once, ""), NewHead(heads[1], 1.0, None), [])
    assert twice == with_head(file, NewHead(heads[1], 1.0, None), [])
    assert [o.name for o in parse_model(twice, Path("x")).graph.output] == ["probabilities", "embedding"]


def test_the_full_check_of_onnx_passes(file: ModelFile) -> None:
    onnx = pytest.importorskip("onnx")
    width = run(file.content, ["embedding"], side_of(file))[0].shape[1]
    subspace = fit_subspace(np.random.default_rng(1).random((100, width)))
    head = LinearHead(np.zeros((4, width)), np.zeros(4))
    onnx.checker.check_model(onnx.load_from_string(with_head(file, NewHead(head, 1.5, subspace), [])), full_check=True)


def test_before_opset_13_the_sums_have_their_axes_as_attributes(file: ModelFile) -> None:
    """The network is dropped: features alone go through the new head, in operators of opset 12."""
    width = run(file.content, ["embedding"], side_of(file))[0].shape[1]
    model = parse_model(file.content, file.path, with_data=True)
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:], model.opset_import[1:]
    model.opset_import[0].domain, model.opset_import[0].version, model.ir_version = "", 12, 7
    model.graph.node.add(op_type="Identity", input=["image"], output=["embedding"])
    tensor = model.graph.input[0].type.tensor_type
    tensor.elem_type = 1
    del tensor.shape.dim[1:]
    tensor.shape.dim.add(dim_value=width)
    features = np.random.default_rng(1).random((100, width)).astype(np.float32)
    head, subspace = LinearHead(np.ones((3, width)), np.zeros(3)), fit_subspace(features)
    assert subspace is not None
    content = with_head(ModelFile(file.path, model.SerializeToString(), ""), NewHead(head, 1.0, subspace), [])
    scores = onnxruntime.InferenceSession(content).run(["unknown_score"], {"image": features})[0]
    np.testing.assert_allclose(scores, subspace.distances(features), atol=1e-5)
