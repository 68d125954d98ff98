"""What another exporter's scores mean: an adopted file gives the probabilities that the original's own code would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto
from onnx.helper import make_node

from edgecnn.errors import EdgeCNNError, ModelError, UsageError
from edgecnn.runtime.session.opening import open_session
from exporters import AdoptOptions, adopt
from tests.small_foreign import images, save_classifier, write_labels

FLOAT, FLOAT16 = TensorProto.FLOAT, TensorProto.FLOAT16
CONSTANTS = {
    "low": np.float32(1e-7),
    "high": np.float32(1 - 1e-7),
    "one": np.array([1]),
    "two": np.array([2]),
    "four": np.array([4]),
    "unit": np.float32(1),
    "hundred": np.float32(100),
    "shape": np.array([-1, 1]),
}


def _node(operator: str, *names: str, **attributes: object) -> NodeProto:
    return make_node(operator, list(names[:-1]), [names[-1]], **attributes)


SIGMOID, SOFTMAX = _node("Sigmoid", "l", "s"), _node("Softmax", "l", "s", axis=1)
HIDDEN = {
    "cast": (1, [SIGMOID, _node("Cast", "s", "y", to=FLOAT)]),
    "two casts": (1, [SIGMOID, _node("Cast", "s", "h", to=FLOAT16), _node("Cast", "h", "y", to=FLOAT)]),
    "clip": (1, [SIGMOID, _node("Clip", "s", "low", "high", "y")]),
    "transposed": (1, [SIGMOID, _node("Transpose", "s", "t", perm=[0, 1]), _node("Reshape", "t", "shape", "y")]),
    "unsqueezed": (1, [SIGMOID, _node("Unsqueeze", "s", "two", "u"), _node("Squeeze", "u", "two", "y")]),
    "the other class": (1, [SIGMOID, _node("Sub", "unit", "s", "y")]),
    "column of softmax": (2, [SOFTMAX, _node("Gather", "s", "one", "y", axis=1)]),
    "slice of softmax": (2, [SOFTMAX, _node("Slice", "s", "one", "two", "one", "y")]),
}


def _adopt(folder: Path, classes: int, end: list[NodeProto], columns: int, labels: int, **options: object) -> None:
    used = {name for node in end for name in node.input}
    constants = {name: np.asarray(value) for name, value in CONSTANTS.items() if name in used}
    kind = options.pop("output_type", FLOAT)
    save_classifier(folder / "theirs.onnx", classes, end, constants=constants, columns=columns, output_type=kind)
    given = AdoptOptions(labels=write_labels(folder / "labels.txt", labels), mean=(0.5,), std=(0.5,), **options)
    adopt(folder / "theirs.onnx", folder / "ours.onnx", given)


def _original(path: Path) -> np.ndarray:
    pixels = ((images() / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float32)
    return np.asarray(onnxruntime.InferenceSession(path).run(None, {"x": pixels})[0])


@pytest.mark.parametrize("how", HIDDEN)
def test_one_column_is_not_squashed_twice(how: str, tmp_path: Path) -> None:
    classes, end = HIDDEN[how]
    _adopt(tmp_path, classes, end, 1, 2)
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    np.testing.assert_allclose(found[:, 1], _original(tmp_path / "theirs.onnx").ravel(), atol=1e-3)


REFUSED = {
    "a sigmoid per class, cast": (3, [SIGMOID, _node("Cast", "s", "y", to=FLOAT)], 3, FLOAT, "probability of its own"),
    "a class number": (3, [_node("ArgMax", "l", "y", axis=1)], 1, TensorProto.INT64, "int64 values, which are no"),
    "a class number as float": (
        3,
        [_node("ArgMax", "l", "a", axis=1), _node("Cast", "a", "y", to=FLOAT)],
        1,
        FLOAT,
        "ArgMax",
    ),
    "sorted scores": (3, [make_node("TopK", ["l", "two"], ["y", "i"], axis=1)], 2, FLOAT, "TopK"),
    "percent": (3, [SOFTMAX, _node("Mul", "s", "hundred", "y")], 3, FLOAT, "multiplied or shifted"),
    "percent of one": (1, [SIGMOID, _node("Mul", "s", "hundred", "y")], 1, FLOAT, "multiplied or shifted"),
    "a part of softmax": (4, [SOFTMAX, _node("Slice", "s", "one", "four", "one", "y")], 3, FLOAT, "leaves classes"),
    "a logarithm": (
        2,
        [_node("LogSoftmax", "l", "s", axis=1), _node("Gather", "s", "one", "y", axis=1)],
        1,
        FLOAT,
        "logarithm",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_score_is_refused(what: str, tmp_path: Path) -> None:
    classes, end, columns, kind, says = REFUSED[what]
    with pytest.raises((ModelError, UsageError), match=says) as caught:
        _adopt(tmp_path, classes, end, columns, max(2, columns), output_type=kind)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ours.onnx").exists()


WRITTEN_OUT = [
    _node("Neg", "l", "m"),
    _node("Exp", "m", "e"),
    _node("Add", "e", "unit", "p"),
    _node("Reciprocal", "p", "y"),
]


@pytest.mark.parametrize("classes", [1, 3])
def test_a_sigmoid_written_out_is_asked_about(classes: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--scores logits, probabilities or sigmoid"):
        _adopt(tmp_path, classes, WRITTEN_OUT, classes, max(2, classes))
    _adopt(tmp_path, classes, WRITTEN_OUT, classes, max(2, classes), scores="sigmoid")
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    theirs = _original(tmp_path / "theirs.onnx")
    wanted = theirs / theirs.sum(1, keepdims=True) if classes > 1 else np.concatenate([1 - theirs, theirs], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("end", "asked"), [([_node("Softmax", "l", "y", axis=1)], "logits"), ([], "probabilities")])
def test_scores_that_contradict_the_file_are_refused(end: list[NodeProto], asked: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--scores {asked}"):
        _adopt(tmp_path, 3, end, 3, 3, scores=asked)


def test_an_inner_tensor_can_be_named(tmp_path: Path) -> None:
    """The remedy of the errors above: the scores before a step that hides them."""
    _adopt(tmp_path, 3, [SOFTMAX, _node("Mul", "s", "hundred", "y")], 3, 3, output="s")
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    np.testing.assert_allclose(found, _original(tmp_path / "theirs.onnx") / 100, atol=1e-5)


def test_softmax_over_the_images_of_a_batch_is_no_classifier(tmp_path: Path) -> None:
    with pytest.raises(EdgeCNNError, match="sums over something else|differs"):
        _adopt(tmp_path, 3, [_node("Softmax", "l", "y", axis=0)], 3, 3)
