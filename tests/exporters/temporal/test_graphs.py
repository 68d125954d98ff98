"""The step and the clip answer as torch does, for clips of one to many frames."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from edgecnn._version import __version__
from edgecnn.manifest import (
    LABELS_KEY,
    MANIFEST_KEY,
    InputSpec,
    Manifest,
    Normalization,
    PreprocessSpec,
    TemporalKind,
    TemporalSpec,
    TrainingRecord,
    UnknownRule,
    UnknownScore,
)
from edgecnn.runtime.admission.rules import check_structure
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.models.registry import find_model
from edgecnn.training.temporal.clip_backend import ClipBackend
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape
from exporters.options import OPSET
from exporters.temporal.graphs import GraphParts, clip_graph, step_graph, trace_parts

SIDE, HIDDEN = 24, 16


def backend(
    kind: TemporalKind, unknown: UnknownRule | None = None, mixed: int = 12, model: str = "resnet8"
) -> ClipBackend:
    torch.manual_seed(3)
    backbone = find_model(model).build(3, SIDE)
    network = ClipClassifier(
        backbone, embedding_shape(backbone, (SIDE, SIDE)), kind, 3, hidden=HIDDEN, mixed=mixed
    ).eval()
    manifest = Manifest(
        labels=("left", "right", "still"),
        input=InputSpec(SIDE, SIDE),
        preprocess=PreprocessSpec(),
        normalization=Normalization(128, 64.0),
        unknown=unknown or UnknownRule(),
        training=TrainingRecord(model=model, run="", data_sha256="", val_top1=None, seed=0),
        created_by=f"edgecnn {__version__}",
        temperature=0.5,
        temporal=TemporalSpec(kind, network.state_size, 1, 0.1, (1, 20)),
    )
    mean, basis = torch.randn(HIDDEN), torch.linalg.qr(torch.randn(HIDDEN, 4))[0]
    return ClipBackend(network, manifest, unknown={"mean": mean, "basis": basis})


def traced(kind: TemporalKind, mixed: int = 12) -> tuple[ClipBackend, GraphParts]:
    """A network without a rule for `unknown`, and its parts; not to be changed."""
    return _traced(kind, mixed)


@cache
def _traced(kind: TemporalKind, mixed: int) -> tuple[ClipBackend, GraphParts]:
    original = backend(kind, mixed=mixed)
    return original, trace_parts(original, OPSET)


def clips(count: int, steps: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, steps, SIDE, SIDE, 3), np.uint8)


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("kind", "mixed"), [("gru", 12), ("lstm", 12), ("gru", 64)], ids=["gru", "lstm", "unmixed"])
def test_step_and_clip_equal_torch_at_every_length(kind: TemporalKind, mixed: int) -> None:
    """The CNN has 64 channels, which are mixed to 12, or used as they are."""
    original, parts = traced(kind, mixed)
    step, clip = session(step_graph(parts)), session(clip_graph(parts, SIDE, SIDE))
    frames = clips(4, 200)
    lengths = np.array([1, 2, 17, 200], np.int64)
    expected = np.stack([original.clip(found) for found in frames])  # [N, T, C]
    state, found = original.start(4), []
    for at in range(200):
        probabilities, state = step.run(["probabilities", "state_out"], {"image": frames[:, at], "state": state})
        found.append(probabilities)
    assert np.abs(np.stack(found, 1) - expected).max() < 1e-4
    assert np.ptp(expected, axis=1).max() > 0.05  # the state matters
    last = expected[np.arange(4), lengths - 1]
    answers = clip.run(["probabilities"], {"frames": frames, "lengths": lengths})[0]
    assert np.abs(answers - last).max() < 1e-4
    one = clip.run(["probabilities"], {"frames": frames[2:3, :17], "lengths": lengths[2:3]})[0]
    assert np.abs(one - last[2]).max() < 1e-4


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_packed_state_is_torchs(kind: TemporalKind) -> None:
    original, parts = traced(kind)
    step = session(step_graph(parts))
    images = clips(2, 2)
    state = original.start(2)
    for at in range(2):
        outputs = original.step(images[:, at], state)
        found = step.run(["state_out", "embedding"], {"image": images[:, at], "state": state})
        assert np.abs(found[0] - outputs.state).max() < 1e-4
        assert np.abs(found[1] - outputs.state[:, :HIDDEN]).max() < 1e-4
        state = outputs.state
    assert state.shape == (2, original.network.state_size)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("score", ["energy", "feature_distance"])
def test_the_step_gives_the_unknown_score_that_the_rule_needs(score: UnknownScore, kind: TemporalKind) -> None:
    """Also devices let the graph in, whose rules look at divisions."""
    original = backend(kind, UnknownRule(score, 0.5, 0.05), model="threeconv")  # exported sooner
    model = step_graph(trace_parts(original, OPSET))
    content = model.SerializeToString()
    check_structure(parse_model(content, Path("m.onnx")), len(content))
    step = session(model)
    images = clips(3, 1)[:, 0]
    outputs = original.step(images, original.start(3))
    found = step.run(["unknown_score"], {"image": images, "state": original.start(3)})[0]
    assert outputs.unknown_scores is not None
    assert np.abs(found - outputs.unknown_scores).max() < 1e-4


@pytest.mark.parametrize("kind", ["gru", "lstm"])
@pytest.mark.parametrize("batch", [1, 4])
def test_the_runners_sessions_equal_torch_at_lengths_1_to_200(kind: TemporalKind, batch: int, tmp_path: Path) -> None:
    """Streaming, whole clips and torch: the files are opened as the runner opens them."""
    original, parts = traced(kind)
    for name, model in (("m.onnx", step_graph(parts)), ("m.clip.onnx", clip_graph(parts, SIDE, SIDE))):
        entries = {MANIFEST_KEY: original.manifest.to_json(), LABELS_KEY: json.dumps(original.manifest.labels)}
        onnx.helper.set_model_props(model, entries)
        onnx.save(model, tmp_path / name)
    step, clip = open_session(tmp_path / "m.onnx", "cpu"), open_session(tmp_path / "m.clip.onnx", "cpu")
    frames = clips(batch, 200)
    expected = np.stack([original.clip(found) for found in frames])  # [N, T, C]
    state, found = step.start(batch), []
    for at in range(200):
        outputs = step.step(frames[:, at], state)
        state = outputs.state
        found.append(outputs.probabilities)
    streamed = np.stack(found, 1)
    assert np.abs(streamed - expected).max() < 1e-4
    for steps in (1, 2, 3, 10, 50, 199, 200):
        lengths = np.maximum(1, steps - np.arange(batch))
        whole = clip.classify_clips(frames[:, :steps], lengths)
        assert np.abs(whole - expected[np.arange(batch), lengths - 1]).max() < 1e-4
        assert np.abs(whole - streamed[np.arange(batch), lengths - 1]).max() < 1e-4


def test_inspect_counts_the_head(tmp_path: Path) -> None:
    """64 channels in 36 cells, projected to 128 numbers; or mixed to 12 channels first."""
    found = {}
    for mixed in (12, 64):
        original, parts = traced("gru", mixed)
        model = onnx.shape_inference.infer_shapes(step_graph(parts))
        entries = {MANIFEST_KEY: original.manifest.to_json(), LABELS_KEY: json.dumps(original.manifest.labels)}
        onnx.helper.set_model_props(model, entries)
        onnx.save(model, tmp_path / "m.onnx")
        found[mixed] = inspect_model(tmp_path / "m.onnx")
    whole, through_mixing = 64 * 36 * 128, (64 * 12 * 36, 12 * 36 * 128)
    assert found[64].macs is not None
    assert found[12].macs is not None
    assert found[64].macs - found[12].macs == whole - sum(through_mixing)
    assert found[64].parameters - found[12].parameters == whole - 64 * 12 - through_mixing[1]
