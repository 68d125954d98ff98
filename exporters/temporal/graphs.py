"""The two graphs of a recurrent model, made of the same parts: the CNN, the recurrent node, and the classifier.

The step graph takes one image of each source and its state; the clip graph takes all frames of several clips. Both
have the CNN's embeddings in the tensor ``features``, so that the CNN can be quantized by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

from edgecnn.training.temporal.clip_backend import ClipBackend
from edgecnn.training.temporal.network import ClipClassifier
from exporters.graph.export_passes import PASSES
from exporters.graph.passes import run_passes
from exporters.temporal.cnn_part import FEATURES
from exporters.temporal.recurrent_node import recurrent_node, recurrent_weights
from exporters.tracing import ir_version, trace

__all__ = ["GraphParts", "clip_graph", "step_graph", "trace_parts"]


@dataclass(frozen=True, eq=False)
class GraphParts:
    """A recurrent network as ONNX parts."""

    cnn: ModelProto  # image uint8 [N, H, W, 3] -> features [N, D]
    tail: ModelProto  # embedding (the hidden state) [N, H] -> probabilities, and unknown_score where the rule needs it
    network: ClipClassifier  # the layers between them


class _Cnn(nn.Module):
    def __init__(self, backend: ClipBackend) -> None:
        super().__init__()
        self.network = backend.network
        rule = backend.manifest.normalization
        self.zero_point, self.scale = rule.zero_point, rule.scale

    def forward(self, image: Tensor) -> Tensor:
        """uint8 ``[N, H, W, 3]`` -> ``[N, D]``."""
        return self.network.embed((image.permute(0, 3, 1, 2).contiguous().float() - self.zero_point) / self.scale)


class _Tail(nn.Module):
    def __init__(self, backend: ClipBackend) -> None:
        super().__init__()
        self.classifier, self.score = backend.network.classifier, backend.score
        self.temperature = backend.manifest.temperature

    def forward(self, embedding: Tensor) -> tuple[Tensor, ...]:
        """Hidden states ``[N, H]`` -> probabilities ``[N, C]``, and the unknown score ``[N]`` where there is one."""
        logits = self.classifier(embedding)
        probabilities = torch.softmax(logits / self.temperature, dim=1)
        return (probabilities,) if self.score is None else (probabilities, self.score(embedding, logits))


def trace_parts(backend: ClipBackend, opset: int) -> GraphParts:
    """Exports the CNN and the classifier with torch's exporter. Raises :class:`UsageError` where torch cannot."""
    network, size = backend.network.cpu().eval(), backend.manifest.input
    name = type(network.backbone).__name__
    image = torch.zeros((2, size.height, size.width, 3), dtype=torch.uint8)
    cnn = trace(_Cnn(backend).eval(), [image], ["image"], [FEATURES], opset, name)
    outputs = ["probabilities", *(["unknown_score"] if backend.score is not None else [])]
    tail = trace(_Tail(backend).eval(), [torch.zeros(2, network.hidden)], ["embedding"], outputs, opset, name)
    for model in (cnn, tail):
        run_passes(model, PASSES)
    return GraphParts(cnn, tail, network)


def step_graph(parts: GraphParts) -> ModelProto:
    """``image`` uint8 ``[N, H, W, 3]`` and ``state`` float ``[N, S]`` -> ``probabilities``, ``state_out``,
    ``embedding`` and, where there is one, ``unknown_score``."""
    network = parts.network
    hidden, lstm = network.hidden, network.kind == "lstm"
    parts_of_state = ["head.hidden", *(["head.cell"] if lstm else []), "head.before", "head.started"]
    nodes = [
        _node("Split", ["state", "head.sizes"], parts_of_state, axis=1),
        *_projection(network),
        _node("Sub", ["head.projected", "head.before"], ["head.difference"]),
        _node("Mul", ["head.difference", "head.started"], ["head.change"]),  # zeros at the first step
        _norm(network, "head.change", "head.normed"),
        _node("Unsqueeze", ["head.normed", "head.first"], ["head.embeddings"]),
        _node("Unsqueeze", ["head.hidden", "head.first"], ["head.hidden_before"]),
        *([_node("Unsqueeze", ["head.cell", "head.first"], ["head.cell_before"])] if lstm else []),
        recurrent_node(
            network.recurrent,
            ("head.embeddings", "", "head.hidden_before", "head.cell_before"),
            ["", "head.hidden_after", "head.cell_after"],
        ),
        _node("Squeeze", ["head.hidden_after", "head.first"], ["embedding"]),
        *([_node("Squeeze", ["head.cell_after", "head.first"], ["head.cell_out"])] if lstm else []),
        _node("Mul", ["head.started", "head.zero"], ["head.zeros"]),  # [N, 1]
        _node("Add", ["head.zeros", "head.one"], ["head.ones"]),
        _node(
            "Concat",
            ["embedding", *(["head.cell_out"] if lstm else []), "head.projected", "head.ones"],
            ["state_out"],
            axis=1,
        ),
    ]
    sizes = [hidden, *([hidden] if lstm else []), network.norm.normalized_shape[0], 1]
    constants = [
        _integers("head.first", [0]),
        _integers("head.sizes", sizes),
        _floats("head.zero", np.zeros(1)),
        _floats("head.one", np.ones(1)),
    ]
    state: list[str | int | None] = ["batch", network.state_size]
    inputs = [helper.make_tensor_value_info("state", TensorProto.FLOAT, state)]
    outputs = [
        helper.make_tensor_value_info("state_out", TensorProto.FLOAT, state),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", hidden]),
    ]
    return _joined(parts, nodes, constants, inputs, outputs)


def clip_graph(parts: GraphParts, height: int, width: int) -> ModelProto:
    """``frames`` uint8 ``[N, T, H, W, 3]`` and ``lengths`` int64 ``[N]``, at least 1 -> ``probabilities`` ``[N, C]``
    after the last step of each clip."""
    network = parts.network
    nodes = [
        _node("Shape", ["frames"], ["head.clips_and_steps"], start=0, end=2),
        _node("Concat", ["head.clips_and_steps", "head.rest"], ["head.by_clip"], axis=0),
        *_projection(network),
        _node("Reshape", ["head.projected", "head.by_clip"], ["head.of_clips"]),  # [N, T, P]
        _node("Transpose", ["head.of_clips"], ["head.steps"], perm=[1, 0, 2]),  # [T, N, P]
        _node("Slice", ["head.steps", "head.first", "head.second", "head.first"], ["head.first_step"]),
        _node("Slice", ["head.steps", "head.first", "head.end", "head.first"], ["head.earlier_steps"]),
        _node("Concat", ["head.first_step", "head.earlier_steps"], ["head.before"], axis=0),
        _node("Sub", ["head.steps", "head.before"], ["head.change"]),
        _norm(network, "head.change", "head.embeddings"),
        _node("Cast", ["lengths"], ["head.lengths"], to=TensorProto.INT32),
        recurrent_node(network.recurrent, ("head.embeddings", "head.lengths", "", ""), ["", "head.last", ""]),
        _node("Squeeze", ["head.last", "head.first"], ["embedding"]),
    ]
    constants = [
        _integers("head.rest", [network.norm.normalized_shape[0]]),
        _integers("head.first", [0]),
        _integers("head.second", [1]),
        _integers("head.end", [-1]),
    ]
    inputs = [helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"])]
    model = _joined(parts, nodes, constants, inputs, [])
    _take_clips(model, height, width)
    return model


def _take_clips(model: ModelProto, height: int, width: int) -> None:
    """Replaces the input ``image`` by ``frames``; the frames of all clips become one batch of the CNN."""
    graph = model.graph
    frames = helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", "steps", height, width, 3])
    reshape = _node("Reshape", ["frames", "head.image_shape"], ["image"])  # [N * T, H, W, 3]
    others = [value for value in graph.input if value.name != "image"]
    nodes = [reshape, *graph.node]
    del graph.input[:], graph.node[:]
    graph.input.extend([frames, *others])
    graph.node.extend(nodes)
    graph.initializer.append(_integers("head.image_shape", [-1, height, width, 3]))
    kept = [value for value in graph.output if value.name == "probabilities"]
    del graph.output[:], graph.value_info[:]
    graph.output.extend(kept)
    run_passes(model, PASSES)


def _joined(
    parts: GraphParts,
    nodes: list[NodeProto],
    constants: list[TensorProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
) -> ModelProto:
    """The CNN, the head's nodes and the classifier as one graph."""
    network, cnn, tail = parts.network, parts.cnn, onnx.compose.add_prefix(parts.tail, "tail/")
    names = {f"tail/{value.name}": value.name for value in (*parts.tail.graph.input, *parts.tail.graph.output)}
    for node in tail.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    graph = helper.make_graph(
        [*cnn.graph.node, *nodes, *tail.graph.node],
        "edgecnn",
        [*cnn.graph.input, *inputs],
        [_batched(value) for value in (parts.tail.graph.output[0], *outputs, *parts.tail.graph.output[1:])],
        [
            *cnn.graph.initializer,
            *recurrent_weights(network.recurrent),
            *_input_weights(network),
            *constants,
            *tail.graph.initializer,
        ],
    )
    return helper.make_model(
        graph,
        opset_imports=cnn.opset_import,
        ir_version=ir_version(cnn.opset_import[0].version),
        producer_name=cnn.producer_name,
        producer_version=cnn.producer_version,
    )


def _batched(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    """Names the batch dimension of an output ``batch``, as in the other outputs."""
    value.type.tensor_type.shape.dim[0].dim_param = "batch"
    return value


def _projection(network: ClipClassifier) -> list[NodeProto]:
    """Embeddings ``[N, D]`` -> ``head.projected`` ``[N, P]``."""
    if isinstance(network.mix, nn.Identity):
        return [_node("MatMul", [FEATURES, "head.project"], ["head.projected"])]
    return [
        _node("Reshape", [FEATURES, "head.cells"], ["head.of_cells"]),  # [N, channels, cells]
        _node("MatMul", ["head.mix", "head.of_cells"], ["head.mixed_cells"]),  # [N, M, cells]
        _node("Reshape", ["head.mixed_cells", "head.flat"], ["head.mixed"]),  # [N, M * cells]
        _node("MatMul", ["head.mixed", "head.project"], ["head.projected"]),
    ]


def _norm(network: ClipClassifier, source: str, target: str) -> NodeProto:
    inputs = [source, "head.norm.scale", "head.norm.bias"]
    return _node("LayerNormalization", inputs, [target], axis=-1, epsilon=network.norm.eps)


def _input_weights(network: ClipClassifier) -> list[TensorProto]:
    """The weights between the CNN and the recurrent node."""
    shape, mix = network.embedding, network.mix
    mixing = (
        []
        if not isinstance(mix, nn.Conv1d)
        else [
            _floats("head.mix", _array(mix.weight)[:, :, 0]),
            _integers("head.cells", [-1, shape.channels, shape.cells]),
            _integers("head.flat", [-1, network.project.in_features]),
        ]
    )
    return [
        *mixing,
        _floats("head.project", _array(network.project.weight).T),
        _floats("head.norm.scale", _array(network.norm.weight)),
        _floats("head.norm.bias", _array(network.norm.bias)),
    ]


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    return tensor.detach().cpu().float().numpy()


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> NodeProto:
    return helper.make_node(kind, inputs, outputs, f"head/{outputs[0].removeprefix('head.')}", **attributes)


def _integers(name: str, values: list[int]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _floats(name: str, values: np.ndarray[Any, Any]) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values, np.float32), name)
