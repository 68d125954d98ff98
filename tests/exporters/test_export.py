"""Export: the graph contract, the manifest, the golden samples, and equality with torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from untrained import SIZES, shared_backend, untrained

from edgecnn.atomic import write_bytes
from edgecnn.errors import CheckpointError, GateError, InputNotFoundError, ManifestError, UsageError
from edgecnn.manifest import Manifest, Normalization
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.inspect_checkpoint import multiply_accumulates
from edgecnn.training.models.registry import MODELS
from edgecnn.training.torch_backend import TorchBackend
from exporters import ExportOptions, export_onnx


@pytest.fixture(scope="module", params=SIZES)
def exported(request: pytest.FixtureRequest, float_file: Callable[[str], Path]) -> tuple[TorchBackend, Path]:
    return shared_backend(request.param), float_file(request.param)


def test_the_file_keeps_the_graph_contract(exported: tuple[TorchBackend, Path]) -> None:
    backend, path = exported
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert not any(t.external_data for t in model.graph.initializer)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    side = backend.manifest.input.height
    assert (image.name, image.type, image.shape[1:]) == ("image", "tensor(uint8)", [side, side, 3])
    assert isinstance(image.shape[0], str)
    assert [o.name for o in session.get_outputs()] == ["probabilities", "embedding"]
    metadata = {p.key: p.value for p in model.metadata_props}
    assert (
        Manifest.from_json(metadata["edgecnn"]).labels
        == tuple(json.loads(metadata["labels"]))
        == backend.manifest.labels
    )
    assert json.loads(metadata["edgecnn.golden"])["samples"]


def test_the_file_answers_as_torch_does_for_any_batch(exported: tuple[TorchBackend, Path]) -> None:
    backend, path = exported
    session = open_session(path, "cpu")
    side = backend.manifest.input.height
    for n in (1, 2, 5):
        images = np.random.default_rng(n).integers(0, 256, (n, side, side, 3), np.uint8)
        expected = backend.probabilities(images)
        assert np.abs(session.probabilities(images) - expected).max() < 1e-4
    assert np.ptp(expected, axis=0).max() > 1e-2, "equal answers would agree in a broken file too"


def test_the_file_names_no_file_of_the_machine_that_made_it(exported: tuple[TorchBackend, Path]) -> None:
    model = onnx.load(exported[1])
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")  # twenty million random bytes hold ".py" somewhere
    content = model.SerializeToString()
    for trace in (b"site-packages", b".py", str(Path.home()).encode() + b"/", sys.prefix.encode()):
        assert trace not in content


def test_padding_is_folded_and_the_mean_is_a_pool(exported: tuple[TorchBackend, Path]) -> None:
    graph = onnx.load(exported[1]).graph
    padded = {n.output[0] for n in graph.node if n.op_type == "Pad"}
    assert not [n.name for n in graph.node if n.op_type == "Conv" and n.input[0] in padded]
    assert not {"ReduceMean", "Gather", "Range", "Shape", "BatchNormalization"} & {n.op_type for n in graph.node}


def test_inspection_counts_what_torch_counts(exported: tuple[TorchBackend, Path]) -> None:
    backend, path = exported
    found = inspect_model(path)
    side = backend.manifest.input.height
    assert found.macs == multiply_accumulates(backend.network, side, side)
    folded = sum(
        p.numel()
        for m in backend.network.modules()
        if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)
        for p in m.parameters(recurse=False)
    )
    biases = sum(
        m.out_channels for m in backend.network.modules() if isinstance(m, torch.nn.Conv2d) and m.bias is None
    )  # from folded batch-norm
    assert found.parameters == folded + biases
    assert found.quantized_nodes == ()


def test_a_second_export_in_one_process_gives_the_same_model(tmp_path: Path) -> None:
    backend = untrained("threeconv", 32)
    first, second = (export_onnx(backend, tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert first.sha256 == second.sha256


def test_the_classic_float_layout_takes_normalised_planes(tmp_path: Path) -> None:
    backend = untrained("threeconv", 32)
    result = export_onnx(backend, tmp_path / "nchw.onnx", ExportOptions(layout="nchw-float32"))
    assert (result.inputs[0].type, result.inputs[0].shape[1:]) == ("float", (3, 32, 32))
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    assert np.allclose(
        open_session(tmp_path / "nchw.onnx", "cpu").probabilities(images), backend.probabilities(images), atol=1e-5
    )


def test_half_precision_stays_close_and_is_half_the_size(float_file: Callable[[str], Path], tmp_path: Path) -> None:
    half = export_onnx(shared_backend("resnet8"), tmp_path / "half.onnx", ExportOptions(precision="fp16"))
    assert half.size_bytes < 0.65 * float_file("resnet8").stat().st_size
    assert half.parity.max_abs_diff < 0.03
    assert open_session(tmp_path / "half.onnx", "cpu").manifest.precision == "fp16"


def test_golden_samples_may_be_left_out_or_be_real_images(tmp_path: Path, shapes: Path) -> None:
    backend = untrained("threeconv", 32, ("circle", "square"))
    export_onnx(backend, tmp_path / "none.onnx", ExportOptions(golden="none"))
    assert open_session(tmp_path / "none.onnx").description.golden() is None
    result = export_onnx(backend, tmp_path / "data.onnx", ExportOptions(golden="data", data=shapes))
    assert result.parity.images == 40
    assert open_session(tmp_path / "data.onnx").description.golden() is not None
    with pytest.raises(UsageError, match="--data"):
        export_onnx(backend, tmp_path / "no.onnx", ExportOptions(golden="data"))


def test_an_export_that_differs_from_torch_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = untrained("threeconv", 32)
    monkeypatch.setattr(
        TorchBackend, "probabilities", lambda self, images: np.full((len(images), 3), 1 / 3, np.float32)
    )
    target = tmp_path / "model.onnx"
    write_bytes(target, b"the old file")
    with pytest.raises(GateError, match="differs from torch"):
        export_onnx(backend, target)
    assert target.read_bytes() == b"the old file"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_what_cannot_be_exported_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "no.pt").write_bytes(b"text")
    with pytest.raises(CheckpointError, match=r"no\.pt"):
        export_onnx(tmp_path / "no.pt", tmp_path / "x.onnx")
    with pytest.raises(InputNotFoundError, match="nowhere"):
        export_onnx(tmp_path / "nowhere.pt", tmp_path / "x.onnx")
    with pytest.raises(UsageError, match="--weights imagenet"):
        export_onnx("efficientnet_lite0", tmp_path / "x.onnx")
    with pytest.raises(UsageError, match="no ImageNet weights"):
        export_onnx("resnet8", tmp_path / "x.onnx", ExportOptions(weights="imagenet"))
    with pytest.raises(UsageError, match="--opset"):
        export_onnx(untrained("resnet8", 32), tmp_path / "x.onnx", ExportOptions(opset=9))


def edit(source: Path, target: Path, change) -> Path:
    """A copy of a model file with its manifest or labels changed."""
    model = onnx.load(source)
    metadata = {p.key: p.value for p in model.metadata_props}
    change(metadata)
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, target)
    return target


def with_manifest(**changes: object):
    def change(metadata: dict[str, str]) -> None:
        metadata["edgecnn"] = json.dumps({**json.loads(metadata["edgecnn"]), **changes})

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("edgecnn"), "without EdgeCNN's manifest"),
        (lambda m: m.pop("labels"), "'labels' is missing"),
        (with_manifest(labels=["circle"]), "at least two labels"),
        (with_manifest(labels=["circle", "square", "star"]), "labels"),
        (with_manifest(schema=2), "schema version 2"),
        (with_manifest(input={"height": 31, "width": 32, "color": "RGB"}), "31"),
        (lambda m: m.update(labels=json.dumps(["square", "circle"])), "different labels"),
        (lambda m: m.update({"edgecnn.split": "?"}), "held-out"),
        (lambda m: m.update(edgecnn="{"), "not valid JSON"),
    ],
)
def test_a_manifest_that_contradicts_the_graph_is_refused_with_the_files_name(
    change, words: str, tiny_model: Path, tmp_path: Path
) -> None:
    path = edit(tiny_model, tmp_path / "changed.onnx", change)
    with pytest.raises(ManifestError) as caught:
        open_session(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_normalization_of_built_in_networks_is_one_integer_zero_point() -> None:
    assert all(
        isinstance(spec.normalization, Normalization) and isinstance(spec.normalization.zero_point, int)
        for spec in MODELS.values()
    )
