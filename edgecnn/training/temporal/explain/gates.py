"""The hidden state and the gates of a recurrent layer at every step of one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edgecnn.training.temporal.network import ClipClassifier

__all__ = ["Memory", "record_memory"]


@dataclass(frozen=True, eq=False)
class Memory:
    """What the recurrent layer computed at the T steps of a clip."""

    hidden: Tensor  # [T, H] hidden states, -1 to 1
    gates: Mapping[str, Tensor]  # name -> [T, H], 0 to 1
    cell: Tensor | None  # [T, H] cell states of an LSTM


def record_memory(network: ClipClassifier, embeddings: Tensor) -> Memory:
    """Runs the recurrent layer over the embeddings ``[T, D]`` of one clip, from a state of zeros."""
    inputs: list[Tensor] = []
    hook = network.recurrent.register_forward_pre_hook(lambda _module, given: inputs.append(given[0][0]))
    try:
        with torch.inference_mode():
            hidden = network.hidden_states(embeddings[None])[0]  # [T, H]
    finally:
        hook.remove()
    with torch.inference_mode():
        return (_of_gru if network.kind == "gru" else _of_lstm)(network.recurrent, inputs[0], hidden)


def _of_gru(layer: nn.Module, inputs: Tensor, hidden: Tensor) -> Memory:
    reset, update, _ = _sums(layer, inputs, hidden).chunk(3, dim=1)
    return Memory(hidden, {"reset": reset.sigmoid(), "update": update.sigmoid()}, None)


def _of_lstm(layer: nn.Module, inputs: Tensor, hidden: Tensor) -> Memory:
    taken, forget, new, output = _sums(layer, inputs, hidden).chunk(4, dim=1)
    gates = {"input": taken.sigmoid(), "forget": forget.sigmoid(), "output": output.sigmoid()}
    cell, cells = torch.zeros_like(hidden[0]), []
    for step in range(len(hidden)):
        cell = gates["forget"][step] * cell + gates["input"][step] * new[step].tanh()
        cells.append(cell)
    return Memory(hidden, gates, torch.stack(cells))


def _sums(layer: nn.Module, inputs: Tensor, hidden: Tensor) -> Tensor:
    """The sums in each gate before its activation, from the input and the hidden state of the step before.

    ``[T, gates * H]``, in torch's order of the gates.
    """
    assert isinstance(layer, nn.GRU | nn.LSTM)
    input_weight, memory_weight, input_bias, memory_bias = cast("list[Tensor]", layer.all_weights[0])
    before = torch.cat((torch.zeros_like(hidden[:1]), hidden[:-1]))
    return inputs @ input_weight.T + input_bias + before @ memory_weight.T + memory_bias
