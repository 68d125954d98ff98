"""Files that were exported for a fixed number of images: freed where several images prove it, else kept as they are."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import NodeProto
from onnx.helper import make_node
from torch import nn

from edgecnn.errors import InputNotFoundError, ModelError
from edgecnn.runtime.session.opening import open_session
from exporters import AdoptOptions, QuantizeOptions, adopt, quantize
from tests.small_foreign import SIDE, images, save_classifier, write_labels


def _adopt(folder: Path, classes: int = 3) -> None:
    options = AdoptOptions(labels=write_labels(folder / "labels.txt", classes), mean=(0.5,), std=(0.5,))
    adopt(folder / "theirs.onnx", folder / "ours.onnx", options)


def _singly(path: Path, name: str = "x") -> np.ndarray:
    """The original's softmax, one image at a time."""
    session = onnxruntime.InferenceSession(path)
    pixels = ((images() / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float32)
    scores = np.concatenate([session.run(None, {session.get_inputs()[0].name: x[None]})[0] for x in pixels])
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


class _View(nn.Module):
    """As in tutorials: the batch is taken out of the shape, and becomes a constant."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution, self.linear = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.convolution(x).relu(), 1)
        return self.linear(x.view(x.size(0), -1)) * 4


class _Transformer(nn.Module):
    """A class token that is joined to the patches, and attention that has the batch in the middle."""

    def __init__(self, *, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.batch_first = batch_first
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.attention = nn.MultiheadAttention(16, 2, batch_first=batch_first)
        self.norm, self.linear = nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = x if self.batch_first else x.transpose(0, 1)
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.linear(x[:, 0] if self.batch_first else x[0]) * 4


def _export(network: nn.Module, path: Path, *, dynamo: bool, external: bool = False) -> None:
    more = {"external_data": external, "verbose": False} if dynamo else {"opset_version": 17}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(network.eval(), (torch.randn(1, 3, SIDE, SIDE),), path, dynamo=dynamo, **more)


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize(
    "network",
    [_View, lambda: _Transformer(batch_first=True), lambda: _Transformer(batch_first=False)],
    ids=["view", "batch first", "batch in the middle"],
)
def test_torchs_default_export_takes_any_number_of_images_afterwards(
    network: type[nn.Module], dynamo: bool, tmp_path: Path
) -> None:
    _export(network(), tmp_path / "theirs.onnx", dynamo=dynamo)
    _adopt(tmp_path)
    session = open_session(tmp_path / "ours.onnx", "cpu")
    assert session.fixed_batch is None
    np.testing.assert_allclose(session.probabilities(images()), _singly(tmp_path / "theirs.onnx"), atol=1e-4)


def test_weights_in_a_second_file_are_read(tmp_path: Path) -> None:
    _export(_View(), tmp_path / "theirs.onnx", dynamo=True, external=True)
    assert (tmp_path / "theirs.onnx.data").is_file()
    _adopt(tmp_path)
    found = open_session(tmp_path / "ours.onnx", "cpu").probabilities(images())
    np.testing.assert_allclose(found, _singly(tmp_path / "theirs.onnx"), atol=1e-4)


def _name_second_file(path: Path, location: str) -> None:
    model = onnx.load(path)
    onnx.save_model(model, path, save_as_external_data=True, location="second.bin", size_threshold=0)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("../second.bin", ModelError),
        ("/etc/hostname", ModelError),
        ("missing.bin", InputNotFoundError),
        ("link.bin", ModelError),
        ("short.bin", ModelError),
    ],
)
def test_a_second_file_is_read_beside_the_first_alone(location: str, error: type[Exception], tmp_path: Path) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    _name_second_file(tmp_path / "theirs.onnx", location)
    (tmp_path / "short.bin").write_bytes(b"1")
    outside = tmp_path.parent / "outside.bin"
    outside.write_bytes(b"\0" * 10_000)
    (tmp_path / "link.bin").symlink_to(outside)
    with pytest.raises(error):
        _adopt(tmp_path)
    assert not (tmp_path / "ours.onnx").exists()


def _of_one_image(path: Path) -> None:
    """The largest channel of the batch is subtracted: with one image that is a network, with several it mixes them."""
    end: list[NodeProto] = [
        make_node("ReduceMean", ["l"], ["m"], axes=[0], keepdims=1),
        make_node("Mul", ["m", "m"], ["q"]),
        make_node("Gemm", ["q", "k"], ["y"]),
    ]
    save_classifier(path, 3, end, batch=1, constants={"k": np.eye(3, dtype=np.float32) / 4})


def test_a_graph_that_mixes_the_images_of_a_batch_keeps_its_batch_of_one(tmp_path: Path) -> None:
    _of_one_image(tmp_path / "theirs.onnx")
    options = AdoptOptions(labels=write_labels(tmp_path / "labels.txt", 3), mean=(0.5,), std=(0.5,))
    result = adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    assert any(note.startswith("batch: 1") for note in result.notes)
    session = open_session(tmp_path / "ours.onnx", "cpu")
    assert session.fixed_batch == 1
    np.testing.assert_allclose(session.probabilities(images()), _singly(tmp_path / "theirs.onnx"), atol=1e-4)


def test_a_batch_of_one_is_quantized_too(tmp_path: Path, shapes: Path) -> None:
    _of_one_image(tmp_path / "theirs.onnx")
    options = AdoptOptions(labels=write_labels(tmp_path / "labels.txt", 3), mean=(0.5,), std=(0.5,))
    adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i, path in enumerate(sorted(shapes.rglob("*.png"))):
        (pictures / f"{i}.png").write_bytes(path.read_bytes())
    lenient = QuantizeOptions(max_drop=1.0, min_speedup=0.0, method="minmax")
    done = quantize(tmp_path / "ours.onnx", pictures, tmp_path / "int8.onnx", lenient)
    assert done.decision == "int8"
    assert open_session(tmp_path / "int8.onnx", "cpu").probabilities(images()).shape == (7, 3)


def test_a_batch_that_only_claims_to_be_free_is_seen(tmp_path: Path) -> None:
    """dynamic_axes, but a view by a constant: the file runs one image at a time, whatever it says."""
    end = [make_node("Reshape", ["l", "shape"], ["y"])]
    save_classifier(tmp_path / "theirs.onnx", 3, end, constants={"shape": np.array([1, 3])})
    _adopt(tmp_path)
    session = open_session(tmp_path / "ours.onnx", "cpu")
    np.testing.assert_allclose(session.probabilities(images()), _singly(tmp_path / "theirs.onnx"), atol=1e-4)


def test_one_given_image_does_not_prove_a_batch(tmp_path: Path) -> None:
    """Synthetic images join it."""
    import cv2

    _export(_View(), tmp_path / "theirs.onnx", dynamo=False)
    (tmp_path / "one").mkdir()
    cv2.imwrite(str(tmp_path / "one" / "a.png"), images()[0])
    labels = write_labels(tmp_path / "labels.txt", 3)
    options = AdoptOptions(labels=labels, mean=(0.5,), std=(0.5,), data=tmp_path / "one")
    result = adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    assert result.parity.images > 8
    assert "synthetic" in result.parity.image_source


def test_equal_answers_to_all_images_do_not_prove_a_batch(tmp_path: Path) -> None:
    """The second class always wins, whatever a graph does with the images of a batch."""
    end = [make_node("Add", ["l", "far"], ["y"])]
    far = np.array([-1000, 1000, -1000], np.float32)
    save_classifier(tmp_path / "theirs.onnx", 3, end, batch=1, constants={"far": far})
    options = AdoptOptions(labels=write_labels(tmp_path / "labels.txt", 3), mean=(0.5,), std=(0.5,))
    result = adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    assert open_session(tmp_path / "ours.onnx", "cpu").fixed_batch == 1
    assert any(note.startswith("answers: nearly the same for all synthetic images") for note in result.notes)


@pytest.mark.parametrize(("interpolation", "told"), [("linear", True), ("antialias", False)])
def test_a_file_of_torch_is_told_torchvisions_interpolation(interpolation: str, told: bool, tmp_path: Path) -> None:
    _export(_View(), tmp_path / "theirs.onnx", dynamo=True)
    labels = write_labels(tmp_path / "labels.txt", 3)
    options = AdoptOptions(labels=labels, mean=(0.5,), std=(0.5,), interpolation=interpolation)
    result = adopt(tmp_path / "theirs.onnx", tmp_path / "ours.onnx", options)
    assert any("--interpolation antialias" in note for note in result.notes) is told
