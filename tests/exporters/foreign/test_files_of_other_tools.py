"""What converters other than torch's write, each as the smallest file that has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.helper import make_node

from edgecnn.errors import EdgeCNNError, ModelError, UsageError
from edgecnn.runtime.session.opening import open_session
from exporters import AdoptOptions, adopt
from exporters.foreign.grey import grey_levels
from tests.small_foreign import SIDE, images, save_classifier, write_labels


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _run(path: Path, pixels: np.ndarray, name: str = "y") -> np.ndarray:
    return np.asarray(onnxruntime.InferenceSession(path).run([name], {"x": pixels.astype(np.float32)})[0])


def _normalized() -> np.ndarray:
    return ((images() / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)


def _adopt(folder: Path, classes: int = 3, **options: object) -> np.ndarray:
    """The adopted file's probabilities."""
    given = {"labels": write_labels(folder / "labels.txt", classes), "mean": (0.5,), "std": (0.5,)} | options
    adopt(folder / "theirs.onnx", folder / "ours.onnx", AdoptOptions(**given))
    return open_session(folder / "ours.onnx", "cpu").probabilities(images())


@pytest.mark.parametrize("auto_pad", ["VALID", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("amounts", [[0, 0, 0, 0, 0, 0, 3, 3], [0, 0, 1, 2, 0, 0, -1, 0]], ids=["added", "cut off"])
def test_a_pad_before_a_convolution_that_pads_by_itself(auto_pad: str, amounts: list[int], tmp_path: Path) -> None:
    front, constants = [make_node("Pad", ["x", "amounts"], ["p"])], {"amounts": np.array(amounts)}
    conv = {"auto_pad": auto_pad}
    save_classifier(tmp_path / "theirs.onnx", 3, front=front, source="p", conv=conv, constants=constants)
    np.testing.assert_allclose(_adopt(tmp_path), _softmax(_run(tmp_path / "theirs.onnx", _normalized())), atol=1e-5)


def test_a_zip_map_is_cut_off_and_gives_the_labels(tmp_path: Path) -> None:
    """As Azure Custom Vision and ML.NET write: the class that was picked, and a map of label and probability."""
    end = [
        make_node("Softmax", ["l"], ["s"], axis=1),
        make_node("ArgMax", ["l"], ["picked"], axis=1),
        make_node("ZipMap", ["s"], ["y"], domain="ai.onnx.ml", classlabels_strings=["ant", "bee", "cow"]),
    ]
    model = save_classifier(tmp_path / "theirs.onnx", 3, end)
    map_type = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info("picked", TensorProto.INT64, ["n", 1]))
    model.graph.output.append(helper.make_value_info("y", map_type))
    onnx.save(model, tmp_path / "theirs.onnx")
    found = _adopt(tmp_path, labels=None)
    assert open_session(tmp_path / "ours.onnx", "cpu").manifest.labels == ("ant", "bee", "cow")
    maps = onnxruntime.InferenceSession(tmp_path / "theirs.onnx").run(["y"], {"x": _normalized().astype(np.float32)})[0]
    np.testing.assert_allclose(found, [[row[label] for label in ("ant", "bee", "cow")] for row in maps], atol=1e-5)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_a_network_of_grey_levels_gets_them(layout: str, tmp_path: Path) -> None:
    shape = ["n", 1, SIDE, SIDE] if layout == "nchw" else ["n", SIDE, SIDE, 1]
    front = [] if layout == "nchw" else [make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])]
    source = "x" if layout == "nchw" else "t"
    save_classifier(tmp_path / "theirs.onnx", 3, shape=shape, front=front, source=source)
    found = _adopt(tmp_path, mean=(0.1307,), std=(0.3081,))
    grey = (grey_levels(images()) / 255 - 0.1307) / 0.3081
    pixels = grey[:, None] if layout == "nchw" else grey[..., None]
    np.testing.assert_allclose(found, _softmax(_run(tmp_path / "theirs.onnx", pixels)), atol=1e-4)


def test_grey_levels_are_pillows() -> None:
    pil = pytest.importorskip("PIL.Image")
    for image in images(3):
        np.testing.assert_array_equal(grey_levels(image), np.asarray(pil.fromarray(image).convert("L")))


def test_pixels_from_0_to_255_as_they_are(tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    found = _adopt(tmp_path, mean=(0.0,), std=(1 / 255,))
    expected = _softmax(_run(tmp_path / "theirs.onnx", images().transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_that_are_listed_as_inputs_are_none(tmp_path: Path) -> None:
    """Files of IR version 3 list every initializer among the inputs, a shape of a Reshape too."""
    end = [make_node("Reshape", ["l", "shape"], ["y"])]
    model = save_classifier(tmp_path / "theirs.onnx", 3, end, constants={"shape": np.array([-1, 3])})
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    model.ir_version = 3
    onnx.save(model, tmp_path / "theirs.onnx")
    np.testing.assert_allclose(_adopt(tmp_path), _softmax(_run(tmp_path / "theirs.onnx", _normalized())), atol=1e-5)


def test_functions_of_the_models_own_are_put_in_place(tmp_path: Path) -> None:
    model = save_classifier(tmp_path / "theirs.onnx", 3, [make_node("Twice", ["l"], ["y"], domain="own")])
    body = [make_node("Add", ["a", "a"], ["b"])]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(model, tmp_path / "theirs.onnx")
    np.testing.assert_allclose(_adopt(tmp_path), _softmax(_run(tmp_path / "theirs.onnx", _normalized())), atol=1e-5)


def test_attention_of_opset_23(tmp_path: Path) -> None:
    front = [
        make_node("Reshape", ["x", "rows"], ["q"]),
        make_node("Attention", ["q", "q", "q"], ["a"]),
        make_node("Add", ["q", "a"], ["p"]),
    ]
    save_classifier(
        tmp_path / "theirs.onnx",
        3,
        front=front,
        source="p",
        constants={"rows": np.array([0, 3, SIDE, SIDE])},
        opset=23,
    )
    np.testing.assert_allclose(_adopt(tmp_path), _softmax(_run(tmp_path / "theirs.onnx", _normalized())), atol=1e-4)


def test_batch_norm_in_training_mode_is_refused_with_the_remedy(tmp_path: Path) -> None:
    values = {name: np.ones(8, np.float32) for name in ("scale", "shift", "mean", "variance")}
    norm = make_node("BatchNormalization", ["c", *values], ["r", "m", "v"], training_mode=1)
    save_classifier(tmp_path / "theirs.onnx", 3, middle=[norm], constants=values)
    with pytest.raises(ModelError, match=r"training mode.*model\.eval\(\)"):
        _adopt(tmp_path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("\ufeffcat\ndog\nbird\n", ("cat", "dog", "bird")),
        ('{"dog": 1, "cat": 0, "bird": 2}', ("cat", "dog", "bird")),
        ('{"0": "cat", "1": "dog", "2": "bird"}', ("cat", "dog", "bird")),
        ('{"0": ["n01", "cat"], "1": ["n02", "dog"], "2": ["n03", "bird"]}', ("cat", "dog", "bird")),
        ('\ufeff["cat", "dog", "bird"]', ("cat", "dog", "bird")),
    ],
)
def test_files_of_labels(text: str, wanted: tuple[str, ...], tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    (tmp_path / "names").write_text(text, encoding="utf-8")
    _adopt(tmp_path, labels=tmp_path / "names")
    assert open_session(tmp_path / "ours.onnx", "cpu").manifest.labels == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("crane\ncat\n\ncrane\n", r"'crane' \(lines 1, 4\)"),
        ('{"cat": 0, "dog": 2}', "neither a list of labels"),
        ('["cat", "cat"]', r"'cat' \(numbers 0, 1\)"),
        (r'["cat", "\ud800", "dog"]', "half a surrogate pair"),
    ],
)
def test_labels_that_tell_nothing_apart(text: str, says: str, tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    (tmp_path / "names").write_text(text, encoding="utf-8")
    with pytest.raises((UsageError, ModelError), match=says):
        _adopt(tmp_path, labels=tmp_path / "names")


def test_no_error_names_a_hidden_file_or_an_option_that_adopt_has_not(tmp_path: Path) -> None:
    """A graph that onnxruntime cannot run: the error speaks of the user's own file."""
    end = [make_node("Reshape", ["l", "shape"], ["y"])]
    save_classifier(tmp_path / "theirs.onnx", 3, end, constants={"shape": np.array([7, 3])})
    with pytest.raises(EdgeCNNError) as caught:
        _adopt(tmp_path)
    message = str(caught.value)
    assert "theirs.onnx" in message
    assert not any(word in message for word in (".part", "--ep", "edgecnn export", "report the network"))
