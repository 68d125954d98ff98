"""The ONNX GRU or LSTM node of a torch layer.

Torch's exporter freezes the number of steps of hand-written loops and cannot export packed sequences, so the node is
built from the weights. Its gates are in another order than torch's: see GRU and LSTM in the ONNX standard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

__all__ = ["recurrent_node", "recurrent_weights"]

_GATES = {"gru": (1, 0, 2), "lstm": (0, 3, 1, 2)}
"""For each gate in ONNX's order, its index in torch's.

GRU: ONNX update, reset, new; torch reset, update, new. LSTM: ONNX input, output, forget, cell; torch input, forget,
cell, output.
"""


def recurrent_weights(layer: nn.GRU | nn.LSTM) -> list[TensorProto]:
    """The weights ``W`` ``[1, G * H, P]`` and ``R`` ``[1, G * H, H]`` and the biases ``B`` ``[1, 2 * G * H]``.

    G gates, inputs of size P, hidden state of size H.
    """
    gates = _GATES["gru" if isinstance(layer, nn.GRU) else "lstm"]
    found = [np.asarray(weight.detach().cpu().float().numpy()) for weight in layer.all_weights[0]]
    weight, memory, bias, memory_bias = (_reordered(array, gates) for array in found)
    biases = np.concatenate((bias, memory_bias))
    named = (("head.W", weight), ("head.R", memory), ("head.B", biases))
    return [numpy_helper.from_array(np.ascontiguousarray(array[None]), name) for name, array in named]


def recurrent_node(layer: nn.GRU | nn.LSTM, inputs: tuple[str, str, str, str], outputs: list[str]) -> NodeProto:
    """The ONNX node of a layer, with the weights of :func:`recurrent_weights`.

    Args:
        layer: reads forward only.
        inputs: names of the inputs ``[T, N, P]``, of the lengths ``[N]`` (int32), and of the hidden state and the cell
            state ``[1, N, H]`` before the first step. An empty name means all T steps (lengths) or zeros (states).
        outputs: names of all hidden states ``[T, 1, N, H]``, of the last hidden state and of the last cell state
            ``[1, N, H]``. An empty name means that the output is not needed.
    """
    gru = isinstance(layer, nn.GRU)
    embeddings, lengths, hidden, cell = inputs
    states = [hidden] if gru else [hidden, cell]
    named = [embeddings, "head.W", "head.R", "head.B", lengths, *states]
    while not named[-1]:
        named.pop()
    kind, results = ("GRU", outputs[:2]) if gru else ("LSTM", outputs)
    node = helper.make_node(kind, named, results, "head/recurrent", hidden_size=layer.hidden_size)
    if gru:
        node.attribute.append(helper.make_attribute("linear_before_reset", 1))
    return node


def _reordered(array: NDArray[np.float32], gates: tuple[int, ...]) -> NDArray[np.float32]:
    parts = np.split(array, len(gates))
    return np.concatenate([parts[gate] for gate in gates])
