"""Networks of other exporters in int8: what integers cannot compute stays float, with a reason; nothing crashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import NodeProto, TensorProto, numpy_helper
from onnx.helper import make_node
from onnxruntime.transformers.float16 import convert_float_to_float16

from edgecnn.runtime.session.opening import open_session
from exporters import AdoptOptions, QuantizeOptions, QuantizeResult, adopt, quantize
from exporters.graph.average_pools import count_inside, hanging_pools
from exporters.options import TargetName
from tests.small_foreign import SIDE, images, save_classifier, write_labels

LENIENT = {"max_drop": 1.0, "min_speedup": 0.0, "method": "minmax"}


@pytest.fixture
def pictures(shapes: Path, tmp_path: Path) -> Path:
    """Images without labels: agreement decides."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, path in enumerate(sorted(shapes.rglob("*.png"))):
        (folder / f"{i}.png").write_bytes(path.read_bytes())
    return folder


def _quantize(folder: Path, pictures: Path, target: TargetName = "x86", **options: object) -> QuantizeResult:
    given = {"labels": write_labels(folder / "labels.txt", 3), "mean": (0.5,), "std": (0.5,)} | options
    adopt(folder / "theirs.onnx", folder / "ours.onnx", AdoptOptions(**given))
    done = quantize(folder / "ours.onnx", pictures, folder / "int8.onnx", QuantizeOptions(target=target, **LENIENT))
    assert done.decision == "int8"
    assert done.kl < 0.05
    return done


def _relu(source: str) -> NodeProto:
    return make_node("Relu", [source], ["r"])


def _halves(path: Path) -> None:
    model = convert_float_to_float16(onnx.load(path), keep_io_types=True)
    onnx.save(model, path)


def _transposed_weights(path: Path) -> None:
    model = onnx.load(path)
    weight = next(t for t in model.graph.initializer if t.name == "w")
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).transpose(2, 3, 1, 0).copy(), "stored"))
    model.graph.node.insert(0, make_node("Transpose", ["stored"], ["w"], perm=[3, 2, 0, 1]))
    onnx.save(model, path)


MIDDLES: dict[str, tuple[list[NodeProto], dict[str, np.ndarray], int]] = {
    "group norm": (
        [make_node("GroupNormalization", ["c", "one", "none"], ["n"], num_groups=4), _relu("n")],
        {"one": np.ones(8, np.float32), "none": np.zeros(8, np.float32)},
        21,
    ),
    "relu, then clip": (
        [make_node("Relu", ["c"], ["q"]), make_node("Clip", ["q", "", "six"], ["r"])],
        {"six": np.array(6, np.float32)},
        17,
    ),
    "a mask of minus infinity": (
        [
            make_node("Where", ["no", "minus", "c"], ["masked"]),
            make_node("Where", ["yes", "c", "masked"], ["back"]),
            make_node("Max", ["masked", "back"], ["m"]),
            _relu("m"),
        ],
        {
            "no": np.arange(8).reshape(1, 8, 1, 1) == 3,
            "yes": np.ones((1, 8, 1, 1), bool),
            "minus": np.array(-np.inf, np.float32),
        },
        17,
    ),
}


@pytest.mark.parametrize("target", ["x86", "arm64", "tensorrt"])
@pytest.mark.parametrize("what", MIDDLES)
def test_what_cannot_be_observed_stays_float(what: str, target: TargetName, pictures: Path, tmp_path: Path) -> None:
    middle, constants, opset = MIDDLES[what]
    save_classifier(tmp_path / "theirs.onnx", 3, middle=middle, constants=constants, opset=opset)
    _quantize(tmp_path, pictures, target)


@pytest.mark.parametrize("change", [_halves, _transposed_weights])
def test_weights_that_are_no_float32_initializers(change: object, pictures: Path, tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    change(tmp_path / "theirs.onnx")  # type: ignore[operator]
    _quantize(tmp_path, pictures)
    halves = open_session(tmp_path / "ours.onnx", "cpu").manifest.precision
    assert halves == ("fp16" if change is _halves else "fp32")


def test_bytes_in_the_order_that_they_come_in(pictures: Path, tmp_path: Path) -> None:
    front = [
        make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        make_node("Mul", ["float", "share"], ["scaled"]),
        make_node("Transpose", ["scaled"], ["t"], perm=[0, 3, 1, 2]),
    ]
    shape = ["n", SIDE, SIDE, 3]
    constants = {"share": np.array(1 / 255, np.float32)}
    save_classifier(
        tmp_path / "theirs.onnx", 3, front=front, source="t", shape=shape, dtype=TensorProto.UINT8, constants=constants
    )
    _quantize(tmp_path, pictures, mean=None, std=None)


def test_grey_levels(pictures: Path, tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3, shape=["n", 1, SIDE, SIDE])
    _quantize(tmp_path, pictures)


def _pool(pads: list[int]) -> NodeProto:
    """Of 12 x 12 windows of 3 by 2 hang over without pads; with one pixel they do too."""
    return make_node(
        "AveragePool", ["c"], ["r"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1, count_include_pad=1, pads=pads
    )


@pytest.mark.parametrize(("pads", "kept"), [([0] * 4, 0), ([1, 1, 1, 1], 1)])
def test_an_average_pool_that_hangs_over(pads: list[int], kept: int, pictures: Path, tmp_path: Path) -> None:
    """Without pads it counts what lies inside, which is the same in float; with pads it stays in float."""
    save_classifier(tmp_path / "theirs.onnx", 3, middle=[_pool(pads)])
    model = onnx.load(tmp_path / "theirs.onnx")
    before = onnxruntime.InferenceSession(model.SerializeToString())
    assert count_inside(model) is (not any(pads))
    after = onnxruntime.InferenceSession(model.SerializeToString())
    x = {"x": (images() / 255).transpose(0, 3, 1, 2).astype(np.float32)}
    np.testing.assert_allclose(after.run(None, x)[0], before.run(None, x)[0], atol=1e-5)
    assert len(hanging_pools(onnx.shape_inference.infer_shapes(model))) == kept
    done = _quantize(tmp_path, pictures)
    assert [node.operator for node in done.kept_float] == ["AveragePool"] * kept
    assert all("hangs over" in node.reason for node in done.kept_float)


def test_a_clip_that_leaves_out_zero_stays_float(pictures: Path, tmp_path: Path) -> None:
    """onnxruntime 1.32's quantizer drops it and lets through what lies between zero and the nearer bound."""
    bounds = {"low": np.array(0.5, np.float32), "high": np.array(1.5, np.float32)}
    save_classifier(
        tmp_path / "theirs.onnx", 3, middle=[make_node("Clip", ["c", "low", "high"], ["r"])], constants=bounds
    )
    done = _quantize(tmp_path, pictures)
    assert [node.operator for node in done.kept_float] == ["Clip"]
    assert "leave out zero" in done.kept_float[0].reason
