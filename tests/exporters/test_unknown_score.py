"""The unknown score on its way to the device.

In the graph, in int8 and sixteen bits, in the golden samples, in the runner's answer.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from shapes import write_shapes

from edgecnn import Classifier
from edgecnn.data.dataset import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.errors import GateError, ManifestError
from edgecnn.evaluation.evaluate import read_probabilities
from edgecnn.evaluation.ood_threshold import rejected
from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.golden.replay import replay
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.calibration.ood_score import FeatureDistance, fit_unknown
from edgecnn.training.models.registry import MODELS
from edgecnn.training.torch_backend import TorchBackend
from exporters import ExportOptions, QuantizeOptions, export_onnx, quantize

OPEN_GATES = {"max_drop": 1.0, "min_speedup": 0.0, "method": "minmax"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred circles and squares."""
    return write_shapes(tmp_path_factory.mktemp("many"), 50, 32, first_seed=7000)


def backend(score: str, images: Path, model: str = "resnet8") -> TorchBackend:
    """A network without training: its features tell images apart all the same. `threeconv` is exported sooner."""
    torch.manual_seed(0)
    spec = MODELS[model]
    manifest = Manifest(
        labels=("circle", "square"),
        input=InputSpec(32, 32),
        preprocess=PreprocessSpec(),
        normalization=spec.normalization,
        unknown=UnknownRule(),
        training=TrainingRecord(model, "test", "", None, 0),
        created_by="test",
    )
    plain = TorchBackend(spec.build(2, 32).eval(), manifest)
    images = np.concatenate(
        [b.images for b in fitted_batches([p.path for p in scan_folder(images).images], manifest, 100)]
    )
    features, logits = plain.features(images), torch.from_numpy(plain.logits(images))
    fit = fit_unknown(features[::2], features[1::2], logits[1::2], score=score)
    return TorchBackend(plain.network, manifest.replace(unknown=fit.rule), unknown=fit.tensors)


@pytest.fixture(scope="module", params=["feature_distance", "energy"])
def exported(
    request: pytest.FixtureRequest, images: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TorchBackend, Path]:
    source, path = backend(request.param, images), tmp_path_factory.mktemp("unknown") / "m.onnx"
    export_onnx(source, path)
    return source, path


@pytest.fixture(scope="module")
def int8(exported: tuple[TorchBackend, Path], images: Path):
    return quantize(exported[1], images, exported[1].with_name("q.onnx"), QuantizeOptions(**OPEN_GATES))


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3), np.uint8)


def test_the_graph_gives_the_score_that_torch_gives_for_any_batch(exported: tuple[TorchBackend, Path]) -> None:
    source, path = exported
    session = open_session(path, "cpu")
    assert session.manifest.unknown == source.manifest.unknown
    for n in (1, 2, 5):
        expected, found = source.answers(noise(n))[1], session.answers(noise(n))[1]
        assert found.shape == (n,)
        assert found.dtype == np.float32
        assert np.allclose(found, expected, atol=1e-4)


def test_a_rule_on_probabilities_leaves_the_graph_as_it_was(images: Path, tmp_path: Path) -> None:
    export_onnx(backend("max_probability", images, "threeconv"), tmp_path / "m.onnx")
    session = open_session(tmp_path / "m.onnx", "cpu")
    assert session.outputs(noise(2)).unknown_scores is None
    assert session.answers(noise(2))[1] is None
    assert [o.name for o in onnx.load(tmp_path / "m.onnx").graph.output] == ["probabilities", "embedding"]


def test_sixteen_bits_keep_the_score(images: Path, tmp_path: Path) -> None:
    source = backend("feature_distance", images, "threeconv")
    export_onnx(source, tmp_path / "half.onnx", ExportOptions(precision="fp16"))
    found = open_session(tmp_path / "half.onnx", "cpu").answers(noise(8))[1]
    assert np.allclose(found, source.answers(noise(8))[1], atol=5e-3)


def test_an_export_whose_score_differs_from_torch_is_not_written(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = backend("feature_distance", images, "threeconv")
    answers = TorchBackend.answers
    monkeypatch.setattr(
        TorchBackend,
        "answers",
        lambda self, images: (answers(self, images)[0], answers(self, images)[1] + np.float32(0.1)),
    )
    with pytest.raises(GateError, match="unknown score"):
        export_onnx(source, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_int8_leaves_the_nodes_of_the_score_in_float(int8, exported: tuple[TorchBackend, Path]) -> None:
    products = 1 if isinstance(exported[0].score, FeatureDistance) else 0
    assert len(inspect_model(int8.file).float_nodes) == products
    graph = onnx.load(int8.file).graph
    made = {name: node for node in graph.node for name in node.output}
    behind, waiting = [], ["unknown_score"]
    while waiting:
        node = made.get(waiting.pop())
        if node is None or node.op_type in ("DequantizeLinear", "Gemm"):
            continue
        behind.append(node.op_type)
        waiting += node.input
    assert behind
    assert "QuantizeLinear" not in behind


def test_int8_rejects_as_many_genuine_images_as_float_by_a_threshold_of_its_own(
    int8, exported: tuple[TorchBackend, Path]
) -> None:
    found = int8.rejection
    assert found.matched == pytest.approx(found.float_, abs=1.5 / int8.images)
    session = open_session(int8.file, "auto")  # the golden samples were kept
    assert session.description.golden().unknown_scores is not None
    assert session.manifest.unknown.threshold == found.threshold
    assert session.manifest.unknown.score == exported[0].manifest.unknown.score


def test_golden_samples_prove_the_score_too(exported: tuple[TorchBackend, Path]) -> None:
    session = open_session(exported[1], "cpu")
    golden = GoldenSamples.from_json(session.description.golden().to_json())
    assert replay(session, golden).passed
    for shift in (0.1, float("nan")):
        scores = golden.unknown_scores * np.float32(1 + shift) + np.float32(shift)
        assert not replay(session, GoldenSamples(golden.images, golden.probabilities, golden.tolerance, scores)).passed


def test_golden_samples_with_a_score_fail_on_a_graph_without(
    exported: tuple[TorchBackend, Path], tiny_model: Path
) -> None:
    plain = open_session(tiny_model, "cpu")
    golden = plain.description.golden()
    scored = GoldenSamples(
        golden.images, golden.probabilities, golden.tolerance, np.zeros(len(golden.images), np.float32)
    )
    assert not replay(plain, scored).passed


def test_the_runner_says_unknown_above_the_threshold_and_the_threshold_can_be_moved(
    exported: tuple[TorchBackend, Path], images: Path
) -> None:
    source, path = exported
    paths = [p.path for p in scan_folder(images).images]
    predictions = read_probabilities(open_session(path, "cpu"), paths)
    classifier = Classifier(path, ep="cpu")
    statuses = np.array([p.status for _, p in classifier.stream(images)])
    assert np.array_equal(statuses == "unknown", rejected(source.manifest.unknown, predictions.rejection_scores))
    lowest, highest = float(predictions.rejection_scores.min()) - 0.01, float(predictions.rejection_scores.max()) + 0.01
    assert {p.status for _, p in Classifier(path, ep="cpu", threshold=lowest).stream(images)} == {"unknown"}
    assert {p.status for _, p in Classifier(path, ep="cpu", threshold=highest).stream(images)} == {"ok"}


def test_checkpoint_and_file_read_the_same_scores_from_images(
    exported: tuple[TorchBackend, Path], images: Path
) -> None:
    source, path = exported
    paths = [p.path for p in scan_folder(images).images][:10]
    assert np.allclose(
        read_probabilities(source, paths).rejection_scores,
        read_probabilities(open_session(path, "cpu"), paths).rejection_scores,
        atol=1e-4,
    )


def test_a_manifest_that_rejects_by_a_score_the_graph_lacks_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    model = onnx.load(tiny_model)
    metadata = {p.key: p.value for p in model.metadata_props}
    metadata["edgecnn"] = (
        Manifest.from_json(metadata["edgecnn"]).replace(unknown=UnknownRule("feature_distance", 0.5, 0.05)).to_json()
    )
    onnx.helper.set_model_props(model, metadata)
    onnx.save(model, tmp_path / "lacks.onnx")
    with pytest.raises(ManifestError, match=r"lacks\.onnx.*unknown_score"):
        open_session(tmp_path / "lacks.onnx")
