"""Class-activation maps of model files: they add up to the logit, and show where the object is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapes import shape_image

from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.model_file import ModelFile, read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.runtime.why.activation_maps import ActivationMaps, NoMapError

MODELS = Path(__file__).parents[2] / "models"


@pytest.mark.parametrize("name", ["tiny.onnx", "tiny.int8.onnx"])
def test_the_mean_of_a_map_and_the_bias_are_the_logit_of_the_answer(name: str) -> None:
    session, maps = open_session(MODELS / name, "cpu"), ActivationMaps(read_model_file(MODELS / name))
    random = np.random.default_rng(0)
    for _ in range(10):
        image = random.integers(0, 256, session.input_shape).astype(np.uint8)
        found = maps.maps(image, range(session.classes))
        logits = np.array([one.logit for one in found])
        for one in found:
            assert one.values.mean() + one.bias == pytest.approx(one.logit, abs=1e-4)
        shares = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(shares, session.probabilities(image[None])[0], atol=1e-5)


def test_what_is_drawn_adds_up_to_the_lead_over_the_mean_class() -> None:
    maps = ActivationMaps(read_model_file(MODELS / "tiny.onnx"))
    image = shape_image("circle", 3, 32)[..., ::-1].copy()
    found = maps.maps(image, (0, 1))
    for one in found:
        assert one.support.mean() == pytest.approx(one.logit - np.mean([f.logit for f in found]), abs=1e-4)
        assert 0 <= one.heat.min() <= one.heat.max() <= 1


def without_pool(name: str, kind: str, replaced_by: str) -> ModelFile:
    """A model whose last average is something else."""
    path = MODELS / name
    model = parse_model(path.read_bytes(), path, with_data=True)
    node = [node for node in model.graph.node if node.op_type == kind][-1]
    node.op_type = replaced_by
    return ModelFile(path, model.SerializeToString(), "0" * 64)


def test_a_graph_without_an_average_or_with_a_bent_classifier_says_why_not() -> None:
    with pytest.raises(NoMapError, match="takes no average over the positions"):
        ActivationMaps(without_pool("tiny.onnx", "GlobalAveragePool", "GlobalMaxPool"))
    with pytest.raises(NoMapError, match="come from no softmax"):
        ActivationMaps(without_pool("tiny.onnx", "Softmax", "Sigmoid_"))
    with pytest.raises(NoMapError, match="its classifier is not linear"):
        ActivationMaps(bent("tiny.onnx"))


def test_a_hostile_classifier_is_not_run() -> None:
    """What runs once for each channel is short and of known operators; shapes are compared before they are used."""
    path = MODELS / "tiny.onnx"
    for change, reason in (
        (long_tail, "has 42 nodes"),
        (flat_map, "feature map has 2 axes"),
    ):
        model = parse_model(path.read_bytes(), path, with_data=True)
        change(model)
        with pytest.raises(NoMapError, match=reason):
            ActivationMaps(ModelFile(path, model.SerializeToString(), "0" * 64))


def long_tail(model: Any) -> None:
    """Forty more nodes before the softmax."""
    softmax = model.graph.node[-1]
    before, last = softmax.input[0], softmax.SerializeToString()
    del model.graph.node[-1]
    for i in range(40):
        model.graph.node.add(op_type="Identity", name=f"i{i}", input=[before], output=[f"more{i}"])
        before = f"more{i}"
    model.graph.node.add().ParseFromString(last)
    model.graph.node[-1].input[0] = before


def flat_map(model: Any) -> None:
    """The positions of the feature map in one row."""
    at = next(i for i, node in enumerate(model.graph.node) if node.op_type == "GlobalAveragePool")
    nodes = [node.SerializeToString() for node in model.graph.node]
    model.graph.initializer.add(name="row", dims=[3], data_type=7, raw_data=np.array([0, 32, 64], "<i8").tobytes())
    del model.graph.node[:]
    for i, content in enumerate(nodes):
        if i == at:
            model.graph.node.add(op_type="Reshape", name="flat", input=["relu_1", "row"], output=["flat"])
        model.graph.node.add().ParseFromString(content)
        if i == at:
            model.graph.node[-1].input[0] = "flat"
    del model.graph.value_info[:]


def bent(name: str) -> ModelFile:
    """A model with an activation between the average and its classifier."""
    path = MODELS / name
    model = parse_model(path.read_bytes(), path, with_data=True)
    graph = model.graph
    nodes = [node.SerializeToString() for node in graph.node]
    at = next(i for i, node in enumerate(graph.node) if node.op_type == "Gemm")
    graph.node[at].input[0] = "bent"
    nodes[at] = graph.node[at].SerializeToString()
    del graph.node[:]
    for i, content in enumerate(nodes):
        if i == at:
            graph.node.add(op_type="Exp", name="bend", input=["embedding"], output=["bent"])
        graph.node.add().ParseFromString(content)
    return ModelFile(path, model.SerializeToString(), "0" * 64)
