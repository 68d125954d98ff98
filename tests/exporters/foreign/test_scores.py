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
    "large": np.float32(1e4),
    "shape": np.array([-1, 1]),
    "zero": np.array([0]),
    "none": np.float32(0),
    "units": np.ones((1, 1), np.float32),
    "eighth": np.float32(1 / 8),
    "half": np.float32(0.5),
    "sizes": np.array([1, 1]),
    "map4": np.array([0, 1, 1, 1]),
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
    "rectified": (1, [SIGMOID, _node("Relu", "s", "y")]),
    "multiplied by ones": (1, [SIGMOID, _node("Mul", "s", "units", "y")]),
    "percent, and back": (1, [SIGMOID, _node("Mul", "s", "hundred", "p"), _node("Div", "p", "hundred", "y")]),
    "a limit": (1, [SIGMOID, _node("Greater", "s", "low", "a"), _node("Where", "a", "s", "low", "y")]),
    "expanded": (1, [SIGMOID, _node("Expand", "s", "sizes", "y")]),
    "hard sigmoid": (
        1,
        [_node("Mul", "l", "eighth", "m"), _node("HardSigmoid", "m", "s"), _node("Identity", "s", "y")],
    ),
    "mean of a map": (
        1,
        [SIGMOID, _node("Reshape", "s", "map4", "t"), _node("GlobalAveragePool", "t", "u"), _node("Flatten", "u", "y")],
    ),
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


SEVERAL = {
    "logits": [],
    "logits and a temperature": [_node("Div", "l", "half", "y")],
    "logarithms": [_node("LogSoftmax", "l", "y", axis=1)],
    "logarithms of probabilities": [SOFTMAX, _node("Log", "s", "y")],
    "probabilities, transposed twice": [
        SOFTMAX,
        _node("Transpose", "s", "t", perm=[1, 0]),
        _node("Transpose", "t", "y", perm=[1, 0]),
    ],
    "probabilities of at least": [SOFTMAX, _node("Max", "s", "low", "y")],
    "a softmax written out": [
        _node("Exp", "l", "e"),
        _node("ReduceSum", "e", "one", "t"),
        _node("Div", "e", "t", "y"),
    ],
}


@pytest.mark.parametrize("how", SEVERAL)
def test_several_columns_mean_the_networks_own_probabilities(how: str, tmp_path: Path) -> None:
    _adopt(tmp_path, 3, SEVERAL[how], 3, 3)
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    theirs = _original(tmp_path / "theirs.onnx").astype(np.float64)
    powers = theirs if (theirs >= 0).all() and np.allclose(theirs.sum(1), 1) else np.exp(theirs)
    np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("order", [("rest", "s"), ("s", "rest")])
@pytest.mark.parametrize("saturated", [False, True])
def test_one_sigmoid_as_two_columns(order: tuple[str, str], saturated: bool, tmp_path: Path) -> None:
    front = [_node("Mul", "l", "large", "z"), _node("Sigmoid", "z", "s")] if saturated else [SIGMOID]
    end = [*front, _node("Sub", "unit", "s", "rest"), _node("Concat", *order, "y", axis=1)]
    _adopt(tmp_path, 1, end, 2, 2)
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    np.testing.assert_allclose(found, _original(tmp_path / "theirs.onnx"), atol=1e-4)


REFUSED = {
    "logarithms of the wrong sign": (
        3,
        [_node("LogSoftmax", "l", "s", axis=1), _node("Neg", "s", "y")],
        3,
        FLOAT,
        "combined",
    ),
    "probabilities of the contrary": (2, [SOFTMAX, _node("Sub", "unit", "s", "y")], 2, FLOAT, "sums over|combined"),
    "a softmax over one column": (1, [SOFTMAX, _node("Identity", "s", "y")], 1, FLOAT, "one column only"),
    "one of two logits": (2, [_node("Gather", "l", "one", "y", axis=1)], 1, FLOAT, "does not say what"),
    "a sigmoid per class, rectified": (3, [SIGMOID, _node("Relu", "s", "y")], 3, FLOAT, "probability of its own"),
    "a hard sigmoid by hand": (
        3,
        [_node("Mul", "l", "eighth", "m"), _node("Clip", "m", "none", "unit", "y")],
        3,
        FLOAT,
        "does not say what",
    ),
    "a decision": (
        3,
        [SIGMOID, _node("Greater", "s", "half", "d"), _node("Where", "d", "unit", "none", "y")],
        3,
        FLOAT,
        "comes from Where",
    ),
    "fewer sorted scores than labels": (
        4,
        [make_node("TopK", ["l", "two"], ["y", "i"], axis=1)],
        2,
        FLOAT,
        "TopK",
        3,
    ),
    "the difference of two probabilities": (
        2,
        [
            SOFTMAX,
            _node("Gather", "s", "zero", "first", axis=1),
            _node("Gather", "s", "one", "second", axis=1),
            _node("Sub", "second", "first", "y"),
        ],
        1,
        FLOAT,
        "combined",
    ),
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
    "percent": (3, [SOFTMAX, _node("Mul", "s", "hundred", "y")], 3, FLOAT, "multiplied, shifted or combined"),
    "percent of one": (1, [SIGMOID, _node("Mul", "s", "hundred", "y")], 1, FLOAT, "multiplied, shifted or combined"),
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
    classes, end, columns, kind, says, *labels = REFUSED[what]
    with pytest.raises((ModelError, UsageError), match=says) as caught:
        _adopt(tmp_path, classes, end, columns, labels[0] if labels else max(2, columns), output_type=kind)
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
