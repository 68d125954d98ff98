"""Small classifiers as other exporters write them, made with onnx.helper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

SIDE = 24
LABELS = ("cat", "dog", "bird", "fish")


def save_classifier(
    path: Path,
    classes: int,
    end: Sequence[NodeProto] = (),
    *,
    constants: dict[str, np.ndarray] | None = None,
    front: Sequence[NodeProto] = (),
    source: str = "x",
    middle: Sequence[NodeProto] = (),
    conv: dict[str, object] | None = None,
    batch: int | str = "n",
    columns: int | None = None,
    shape: Sequence[int | str] | None = None,
    dtype: int = TensorProto.FLOAT,
    output_type: int = TensorProto.FLOAT,
    opset: int = 17,
) -> ModelProto:
    """Conv, an activation, a pool and a linear layer, whose scores are ``l``; ``end`` makes ``y`` of them.

    The convolution reads ``source`` and gives ``c``; ``middle`` makes ``r`` of it.
    """
    random = np.random.default_rng(0)
    channels = 3 if shape is None or 3 in shape else 1
    weights = {
        "w": random.normal(0, 0.4, (8, channels, 3, 3)),
        "b": random.normal(0, 0.4, 8),
        "fw": random.normal(0, 3, (classes, 8)),
        "fb": random.normal(0, 0.4, classes),
    }
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    tensors += [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    nodes = [
        *front,
        helper.make_node("Conv", [source, "w", "b"], ["c"], strides=[2, 2], **(conv or {"pads": [1] * 4})),
        *(middle or [helper.make_node("Relu", ["c"], ["r"])]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "fw", "fb"], ["l"], transB=1),
        *(end or [helper.make_node("Identity", ["l"], ["y"])]),
    ]
    shape = shape or [batch, 3, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_tensor_value_info("y", output_type, [shape[0], columns or classes])],
        tensors,
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=domains, ir_version=10)
    onnx.save(model, path)
    return model


def write_labels(path: Path, count: int) -> Path:
    """A file with the first of :data:`LABELS`."""
    path.write_text("\n".join(LABELS[:count]), encoding="utf-8")
    return path


def images(count: int = 7, side: int = SIDE) -> np.ndarray:
    """uint8 ``[count, side, side, 3]`` of several brightnesses."""
    random = np.random.default_rng(3)
    return np.stack([random.integers(0, 40 + 215 * i // count, (side, side, 3)) for i in range(count)]).astype(np.uint8)
