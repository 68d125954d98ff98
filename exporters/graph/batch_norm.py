"""Folds batch-norm into the convolution before it, if another exporter did not fold it."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, numpy_helper

from exporters.graph.passes import attribute, constant, consumers, producers

__all__ = ["fold_batch_norm"]


def fold_batch_norm(model: ModelProto) -> bool:
    """``Conv`` -> ``BatchNormalization`` with constant statistics becomes one ``Conv``."""
    graph, changed = model.graph, False
    made, used = producers(graph), consumers(graph)
    for norm in [n for n in graph.node if n.op_type == "BatchNormalization"]:
        conv = made.get(norm.input[0])
        values = [constant(graph, name) for name in norm.input[1:5]]
        if (
            conv is None
            or conv.op_type != "Conv"
            or len(used[conv.output[0]]) != 1
            or attribute(norm, "training_mode", 0)
        ):
            continue
        weight, bias = (
            constant(graph, conv.input[1]),
            constant(graph, conv.input[2]) if len(conv.input) > 2 else np.zeros(1, np.float32),
        )
        if weight is None or bias is None or any(v is None for v in values):
            continue
        gamma, beta, mean, variance = (np.asarray(v, np.float64) for v in values)
        factor = gamma / np.sqrt(variance + attribute(norm, "epsilon", 1e-5))  # [O]
        names = f"{norm.output[0]}_folded_weight", f"{norm.output[0]}_folded_bias"
        folded = weight * factor.reshape(-1, *[1] * (weight.ndim - 1)), (bias - mean) * factor + beta
        for name, value in zip(names, folded, strict=True):
            graph.initializer.append(numpy_helper.from_array(np.asarray(value, weight.dtype), name))
        output = norm.output[0]
        del conv.input[1:]
        conv.input.extend(names)
        graph.node.remove(norm)
        conv.output[0] = output
        changed = True
    return changed
