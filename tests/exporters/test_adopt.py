"""Classifiers that other exporters made: each becomes a model file that answers as it did."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edgecnn.errors import EdgeCNNError, GateError, InputNotFoundError, ModelError, UsageError
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.opening import open_session
from exporters import AdoptOptions, QuantizeOptions, adopt, quantize

SIZE = 24
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\n\nowl\n", encoding="utf-8")
    return path


class _Network(nn.Module):
    """As torchvision writes them: batch-norm, an adaptive pool, a flatten and a linear layer."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(), nn.Conv2d(16, 16, 3), nn.ReLU()
        )
        nn.init.uniform_(self.body[1].running_mean, -1, 1), nn.init.uniform_(self.body[1].running_var, 0.5, 2)
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(16, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.flatten(self.pool(self.body(x)), 1)) * 4


def _torchscript_export(path: Path, batch: int | None, classes: int = 3, opset: int = 11, **more: object) -> _Network:
    """The older of torch's two exporters, batch-norm left standing."""
    network = _Network(classes).eval()
    axes = {} if batch else {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(batch or 2, 3, SIZE, SIZE),), path, dynamo=False, opset_version=opset, input_names=["input"],
            output_names=["output"], do_constant_folding=False, training=torch.onnx.TrainingMode.PRESERVE, **axes, **more,
        )  # fmt: skip
    return network


def _images(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)


def _expected(network: nn.Module, images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    x = (torch.from_numpy(images.copy()).float() / 255 - torch.tensor(mean)) / torch.tensor(std)
    with torch.inference_mode():
        return network(x.permute(0, 3, 1, 2)).softmax(1).numpy()


@pytest.mark.parametrize(("batch", "opset"), [(1, 11), (None, 17), (4, 17)])
def test_torchscripts_exporter(batch: int | None, opset: int, labels: Path, tmp_path: Path) -> None:
    """A fixed batch or a free one, an operator set older than quantization needs, batch-norm standing, ImageNet's normalisation a colour."""
    network = _torchscript_export(tmp_path / "theirs.onnx", batch, opset=opset)
    result = adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, **IMAGENET))
    assert result.parity.max_abs_diff < 1e-5
    assert result.opset >= 13
    session = open_session(tmp_path / "ours.onnx", "auto")  # replays the golden samples
    np.testing.assert_allclose(session.probabilities(_images()), _expected(network, _images(), **IMAGENET), atol=1e-5)
    assert session.manifest.labels == ("cat", "dog", "owl")
    operators = inspect_model(tmp_path / "ours.onnx").operators
    assert "BatchNormalization" not in operators
    assert operators["GlobalAveragePool"] == 1


def test_the_newer_exporter_with_blue_first(labels: Path, tmp_path: Path) -> None:
    network = _Network().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, SIZE, SIZE),),
            tmp_path / "theirs.onnx",
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    options = AdoptOptions(labels=labels, mean=(0.5,), std=(0.25,), color="bgr", resize="crop", crop_fraction=0.875)
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(_images())
    np.testing.assert_allclose(found, _expected(network, _images()[..., ::-1], (0.5,), (0.25,)), atol=1e-5)
    prediction = Classifier(tmp_path / "ours.onnx")(np.full((50, 90, 3), 120, np.uint8))
    assert prediction.status == "ok"


def _handmade(path: Path, *, tail: str, columns: int, dtype: int = TensorProto.FLOAT, names: str | None = None) -> None:
    """Channels last, as Keras's converters write: a transposition inside, then what ``tail`` says."""
    random = np.random.default_rng(0)
    weight, matrix = (
        random.normal(0, 0.3, (16, 3, 3, 3)).astype(np.float32),
        random.normal(size=(16, columns)).astype(np.float32),
    )
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["x"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["p"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["p", "m"], ["probabilities" if tail == "none" else "scores"]),
    ]
    if tail != "none":
        nodes.append(helper.make_node(tail, ["scores"], ["probabilities"]))
    model = helper.make_model(
        helper.make_graph(
            nodes, "g",
            [helper.make_tensor_value_info("image", dtype, ["n", SIZE, SIZE, 3])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", columns])],
            [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(matrix, "m")],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )  # fmt: skip
    model.ir_version = 8
    if names:
        helper.set_model_props(model, {"names": names})
    onnx.save(model, path)


def _run(path: Path, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]).run(None, {"image": images})[
        0
    ]


def test_channels_last_probabilities_and_labels_of_its_own(tmp_path: Path) -> None:
    """Names as Ultralytics writes them into the metadata; names of tensors that are the contract's own."""
    _handmade(tmp_path / "theirs.onnx", tail="Softmax", columns=3, names="{0: 'a', 2: 'c', 1: 'b'}")
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(mean=(0,), std=(1,)))
    session = open_session(tmp_path / "ours.onnx", "cpu")
    assert session.manifest.labels == ("a", "b", "c")
    wanted = _run(tmp_path / "theirs.onnx", (_images() / 255).astype(np.float32))
    np.testing.assert_allclose(session.probabilities(_images()), wanted, atol=1e-5)


@pytest.mark.parametrize("tail", ["Sigmoid", "none"])
def test_one_column_stands_for_the_second_class(tail: str, tmp_path: Path) -> None:
    _handmade(tmp_path / "theirs.onnx", tail=tail, columns=1)
    (tmp_path / "two.json").write_text('["no", "yes"]')
    adopt(
        tmp_path / "theirs.onnx",
        tmp_path / "ours.onnx",
        AdoptOptions(labels=tmp_path / "two.json", mean=(0.5,), std=(0.5,)),
    )
    scores = _run(tmp_path / "theirs.onnx", ((_images() / 255 - 0.5) / 0.5).astype(np.float32))
    second = scores if tail == "Sigmoid" else 1 / (1 + np.exp(-scores))
    np.testing.assert_allclose(
        open_session(tmp_path / "ours.onnx", "cpu").probabilities(_images())[:, 1:], second, atol=1e-5
    )


def test_pixels_as_bytes_are_fed_as_they_are(labels: Path, tmp_path: Path) -> None:
    _handmade(tmp_path / "theirs.onnx", tail="none", columns=3, dtype=TensorProto.UINT8)
    with pytest.raises(UsageError, match="normalizes them itself"):
        adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, mean=(0,), std=(1,)))
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels))
    wanted = _run(tmp_path / "theirs.onnx", _images()).argmax(1)
    np.testing.assert_array_equal(
        open_session(tmp_path / "ours.onnx", "cpu").probabilities(_images()).argmax(1), wanted
    )


@pytest.mark.parametrize("statistics", [IMAGENET, {"mean": (0.0,), "std": (1.0,)}])
def test_an_adopted_model_is_quantized_as_any_other(
    statistics: dict[str, tuple[float, ...]], labels: Path, shapes: Path, tmp_path: Path
) -> None:
    """Normalised a colour, which stays in float before the first int8 layer, or by one integer, where the pixels are the first int8 tensor."""
    _torchscript_export(tmp_path / "theirs.onnx", None, opset=17)
    labels.write_text("circle\ncross\nsquare")
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, **statistics))
    done = quantize(
        tmp_path / "ours.onnx",
        _unlabelled(shapes, tmp_path),
        tmp_path / "int8.onnx",
        QuantizeOptions(max_drop=1.0, min_speedup=0.0),
    )
    assert done.decision == "int8"
    assert done.float_nodes == ()
    assert done.kl < 0.05
    direct = not [
        n
        for n in onnx.load(tmp_path / "int8.onnx").graph.node
        if n.op_type == "Cast" and n.output[0] != "edgecnn_scores_float"
    ]
    assert direct is (len(statistics["mean"]) == 1)


def test_blue_first_is_quantized_too(labels: Path, shapes: Path, tmp_path: Path) -> None:
    _torchscript_export(tmp_path / "theirs.onnx", None, opset=17)
    labels.write_text("circle\ncross\nsquare")
    adopt(
        tmp_path / "theirs.onnx",
        tmp_path / "ours.onnx",
        AdoptOptions(labels=labels, mean=(0.5,), std=(0.5,), color="bgr"),
    )
    done = quantize(
        tmp_path / "ours.onnx",
        _unlabelled(shapes, tmp_path),
        tmp_path / "int8.onnx",
        QuantizeOptions(max_drop=1.0, min_speedup=0.0),
    )
    assert done.decision == "int8"
    assert done.float_nodes == ()


def _unlabelled(shapes: Path, folder: Path) -> Path:
    """Images without labels: agreement decides."""
    images = folder / "images"
    images.mkdir()
    for i, path in enumerate(sorted(shapes.rglob("*.png"))):
        (images / f"{i}.png").write_bytes(path.read_bytes())
    return images


def _with(path: Path, **changes: object) -> Path:
    model = onnx.load(path)
    for name, value in changes.items():
        if name == "domain":
            model.graph.node[0].domain = value
            model.opset_import.append(helper.make_opsetid(value, 1))
        elif name == "operator":
            model.graph.node.append(helper.make_node(value, ["output", "s"], ["q"]))
            model.graph.output[0].name = "q"
        elif name == "inputs":
            model.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
            model.graph.node.append(helper.make_node("Add", ["output", "second"], ["q"]))
            model.graph.output[0].name = "q"
        elif name == "outputs":
            model.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
        elif name == "dims":
            for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, value, strict=True):
                dim.dim_param = size
        elif name == "location":
            model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"domain": "acme"}, ModelError, "acme"),
        ({"operator": "Loop"}, ModelError, "control flow"),
        ({"operator": "QuantizeLinear"}, ModelError, "already quantized"),
        ({"inputs": 2}, ModelError, "takes 2 inputs"),
        ({"outputs": 2}, UsageError, "--output output"),
        ({"dims": ("n", "c", "h", "w")}, UsageError, "--layout"),
        ({"dims": ("n", "c", "h", "w"), "options": {"layout": "nchw"}}, UsageError, "--imgsz"),
        ({"options": {"layout": "nhwc"}}, ModelError, "three channels"),
        ({"options": {"imgsz": (32, 32)}}, UsageError, "made for 24x24"),
        ({"options": {"output": "x"}}, UsageError, "gives output"),
        ({"options": {"mean": None}}, UsageError, r"\(--mean, for pixels"),
        (
            {"dims": ("n", "c", "h", "w"), "options": {"mean": None, "labels": None}},
            UsageError,
            "--layout.*--imgsz.*--labels.*--mean",
        ),
        ({"options": {"mean": None, "std": None}}, UsageError, "--mean and --std"),
        ({"options": {"std": (0.0,)}}, UsageError, "above 0"),
        ({"options": {"mean": (0.1, 0.2)}}, UsageError, "one number, or three"),
        ({"options": {"labels": None}}, UsageError, "--labels"),
        ({"options": {"labels": Path("nowhere.txt")}}, InputNotFoundError, "nowhere.txt"),
        ({"options": {"crop_fraction": 0.0}}, UsageError, "--crop-fraction"),
        ({"options": {"golden": "data"}}, UsageError, "--data"),
        ({"options": {"data": Path("nowhere")}}, EdgeCNNError, "nowhere"),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_one_line_and_nothing_is_written(
    changes: dict[str, object], error: type[Exception], says: str, labels: Path, tmp_path: Path
) -> None:
    _torchscript_export(tmp_path / "theirs.onnx", None, opset=17)
    options = changes.pop("options", {})
    _with(tmp_path / "theirs.onnx", **changes)
    with pytest.raises(error, match=says) as caught:
        adopt(
            tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(**({"labels": labels} | IMAGENET | options))
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ours.onnx").exists()


@pytest.mark.parametrize("count", [2, 4])
def test_as_many_labels_as_scores(count: int, labels: Path, tmp_path: Path) -> None:
    _torchscript_export(tmp_path / "theirs.onnx", None, opset=17)
    labels.write_text("\n".join("abcdefg"[:count]))
    with pytest.raises(UsageError, match=f"scores .3. differs from the number of labels .{count}."):
        adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, **IMAGENET))


@pytest.mark.parametrize("content", [b"", b"not a model at all", b"\x08\x08"])
def test_a_file_that_is_no_model_is_refused(content: bytes, labels: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"theirs\.onnx"):
        adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, **IMAGENET))


def test_answers_that_differ_from_the_originals_are_not_written(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass that breaks the graph without breaking ONNX's rules."""
    from exporters.foreign import adopted_graph

    def break_weights(model: onnx.ModelProto) -> bool:
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 4:
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1.5, tensor.name))
        return True

    _torchscript_export(tmp_path / "theirs.onnx", None, opset=17)
    monkeypatch.setattr(adopted_graph, "PASSES", (*adopted_graph.PASSES, break_weights))
    with pytest.raises(GateError, match="differs from it by"):
        adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", AdoptOptions(labels=labels, **IMAGENET))
    assert not (tmp_path / "ours.onnx").exists()
