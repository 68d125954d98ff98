"""Small recurrent model files, made with onnx.helper: a GRU or an LSTM over the mean colour of each frame, and a counter.

The counter's state is the number of its steps and the sum of their brightness. Its answer tells both: see `steps_of`.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

onnx = pytest.importorskip("onnx", reason="recurrent model files are made with onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from edgecnn.manifest import (  # noqa: E402
    GOLDEN_KEY,
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
)
from edgecnn.runtime.decision import Prediction  # noqa: E402
from edgecnn.runtime.golden.samples import GoldenSamples  # noqa: E402

SIDE, HIDDEN, LABELS = 32, 4, ("closing", "opening")
INTERVAL_S = 0.1
GATES = {"gru": 3, "lstm": 4}
GAIN = 0.05  # of the counter's logit for each step


def manifest(kind: TemporalKind, state_size: int, interval_s: float = INTERVAL_S) -> Manifest:
    return Manifest(
        labels=LABELS,
        input=InputSpec(SIDE, SIDE),
        preprocess=PreprocessSpec(),
        normalization=Normalization(),
        unknown=UnknownRule(),
        training=TrainingRecord("test", "test", "0" * 64, None, None),
        created_by="tests",
        temporal=TemporalSpec(kind, state_size, 1, interval_s, (2, 50)),
    )


def state_size(kind: TemporalKind) -> int:
    return HIDDEN * (2 if kind == "lstm" else 1)


def write_recurrent(
    path: Path, kind: TemporalKind = "gru", *, batch: int | str = "N", golden: bool = True, seed: int = 0
) -> Path:
    """A step file of a GRU or LSTM with random weights."""
    nodes, constants = _step_nodes(kind, seed)
    size = state_size(kind)
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, SIDE, SIDE, 3]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, [batch, size]),
    ]
    outputs = [("probabilities", [batch, 2]), ("state_out", [batch, size]), ("embedding", [batch, HIDDEN])]
    model = _model(nodes, constants, inputs, outputs)
    return _written(path, model, manifest(kind, size), golden_sequences(model, size) if golden else None)


def write_clip_file(path: Path, kind: TemporalKind = "gru", *, seed: int = 0, golden: bool = True) -> Path:
    """The clip file with the same weights."""
    weights = _weights(kind, seed)
    constants = [
        numpy_helper.from_array(np.array([2, 3], np.int64), "sides"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        *weights,
    ]
    nodes = [
        helper.make_node("Cast", ["frames"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "sides"], ["colours"], keepdims=0),  # [N, T, 3]
        helper.make_node("Mul", ["colours", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["steps"], perm=[1, 0, 2]),
        helper.make_node("Cast", ["lengths"], ["lengths32"], to=TensorProto.INT32),
        helper.make_node(
            kind.upper(), ["steps", "W", "R", "B", "lengths32"], ["", "last"], hidden_size=HIDDEN, **_linear(kind)
        ),
        helper.make_node("Squeeze", ["last", "first"], ["hidden"]),
        *_head(),
    ]
    inputs = [
        helper.make_tensor_value_info("frames", TensorProto.UINT8, ["N", "T", SIDE, SIDE, 3]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["N"]),
    ]
    model = _model(nodes, constants, inputs, [("probabilities", ["N", 2])])
    size = state_size(kind)
    step_nodes, step_constants = _step_nodes(kind, seed)
    samples = None
    if golden:
        step_inputs = [
            helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3]),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["N", size]),
        ]
        step = _model(
            step_nodes, step_constants, step_inputs, [("probabilities", ["N", 2]), ("state_out", ["N", size])]
        )
        samples = golden_sequences(step, size)
    return _written(path, model, manifest(kind, size), samples)


def write_counter(path: Path, interval_s: float = INTERVAL_S) -> Path:
    """A step file whose state is the number of steps and the sum of brightness (0 to 1 a step)."""
    constants = [
        numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
        numpy_helper.from_array(np.array([[0.0, 1 / 255]], np.float32), "spread"),
        numpy_helper.from_array(np.array([[1.0, 0.0]], np.float32), "one"),
        numpy_helper.from_array(np.array([[0.0, GAIN], [0.0, 0.0]], np.float32), "weights"),
        numpy_helper.from_array(np.array([1], np.int64), "last"),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),  # [N]
        helper.make_node("Unsqueeze", ["mean", "last"], ["bright"]),  # [N, 1]
        helper.make_node("Mul", ["bright", "spread"], ["seen"]),  # [N, 2]
        helper.make_node("Add", ["seen", "one"], ["step"]),
        helper.make_node("Add", ["state", "step"], ["state_out"]),
        helper.make_node("MatMul", ["state_out", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", SIDE, SIDE, 3]),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, ["N", 2]),
    ]
    model = _model(nodes, constants, inputs, [("probabilities", ["N", 2]), ("state_out", ["N", 2])])
    return _written(path, model, manifest("gru", 2, interval_s), golden_sequences(model, 2))


def steps_of(prediction: Prediction) -> int:
    """How many steps the counter has taken since its state began."""
    if prediction.reason is not None and prediction.reason.startswith("first step of a clip"):
        return 1
    opening = next(s.score for s in prediction.top if s.label == "opening")
    return round(math.log(opening / (1 - opening)) / GAIN)


def golden_sequences(model: onnx.ModelProto, size: int) -> GoldenSamples:
    """Two clips of three and two frames, with the probabilities of this machine."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    batch = session.get_inputs()[0].shape[0]
    copies = batch if isinstance(batch, int) else 1
    random = np.random.default_rng(3)
    images, rows, numbers = [], [], []
    for number, length in enumerate((3, 2)):
        state = np.zeros((copies, size), np.float32)
        for _ in range(length):
            image = np.full((SIDE, SIDE, 3), random.integers(0, 256, 3), np.uint8)
            fed = {"image": np.repeat(image[None], copies, 0), "state": state}
            probabilities, state = session.run(["probabilities", "state_out"], fed)
            images.append(image)
            rows.append(probabilities[0])
            numbers.append(number)
    return GoldenSamples(np.stack(images), np.stack(rows), 1e-4, None, tuple(numbers))


def _step_nodes(kind: TemporalKind, seed: int) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    constants = [
        numpy_helper.from_array(np.array([1, 2], np.int64), "sides"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        *_weights(kind, seed),
    ]
    begin = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "sides"], ["colours"], keepdims=0),  # [N, 3]
        helper.make_node("Mul", ["colours", "scale"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "first"], ["steps"]),  # [1, N, 3]
        helper.make_node("Unsqueeze", ["state", "first"], ["before"]),  # [1, N, S]
    ]
    if kind == "gru":
        middle = [
            helper.make_node(
                "GRU", ["steps", "W", "R", "B", "", "before"], ["", "last"], hidden_size=HIDDEN, **_linear(kind)
            ),
            helper.make_node("Squeeze", ["last", "first"], ["state_out"]),
            helper.make_node("Identity", ["state_out"], ["hidden"]),
        ]
    else:
        middle = [
            helper.make_node("Split", ["before"], ["hidden_before", "cell_before"], axis=2, num_outputs=2),
            helper.make_node(
                "LSTM",
                ["steps", "W", "R", "B", "", "hidden_before", "cell_before"],
                ["", "last", "cell"],
                hidden_size=HIDDEN,
            ),
            helper.make_node("Squeeze", ["last", "first"], ["hidden"]),
            helper.make_node("Squeeze", ["cell", "first"], ["cell_out"]),
            helper.make_node("Concat", ["hidden", "cell_out"], ["state_out"], axis=1),
        ]
    return [*begin, *middle, *_head(), helper.make_node("Identity", ["hidden"], ["embedding"])], constants


def _head() -> list[onnx.NodeProto]:
    return [
        helper.make_node("MatMul", ["hidden", "classes"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]


def _linear(kind: TemporalKind) -> dict[str, int]:
    return {"linear_before_reset": 1} if kind == "gru" else {}


def _weights(kind: TemporalKind, seed: int) -> list[onnx.TensorProto]:
    random, gates = np.random.default_rng(seed), GATES[kind]
    shapes = {
        "W": (1, gates * HIDDEN, 3),
        "R": (1, gates * HIDDEN, HIDDEN),
        "B": (1, 2 * gates * HIDDEN),
        "classes": (HIDDEN, 2),
    }
    found = [numpy_helper.from_array(random.normal(0, 1.5, s).astype(np.float32), n) for n, s in shapes.items()]
    return [*found, numpy_helper.from_array(np.array(1 / 255, np.float32), "scale")]


def _model(
    nodes: list[onnx.NodeProto],
    constants: list[onnx.TensorProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[tuple[str, list[int | str]]],
) -> onnx.ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    graph = helper.make_graph(nodes, "recurrent", inputs, values, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return onnx.shape_inference.infer_shapes(model)


def _written(path: Path, model: onnx.ModelProto, described: Manifest, golden: GoldenSamples | None) -> Path:
    entries = {MANIFEST_KEY: described.to_json(), LABELS_KEY: json.dumps(list(described.labels))}
    if golden is not None:
        entries[GOLDEN_KEY] = golden.to_json()
    helper.set_model_props(model, entries)
    path.write_bytes(model.SerializeToString())
    return path
