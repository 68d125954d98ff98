"""Divides a network into contiguous blocks with one input and one output tensor, which can stay float separately.

A single float convolution between int8 neighbours does not stay float: onnxruntime quantizes it again at load, one
scale for all its channels (``weight_bias_quantization.cc``). Within a block of two or more no convolution stands
between a DequantizeLinear and a QuantizeLinear of its own.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from onnx import ModelProto, NodeProto

__all__ = ["Block", "find_blocks"]

_COMPUTING = ("Conv", "Gemm", "MatMul")
_ACTIVATIONS = ("Relu", "Clip")  # stay with the layer before them
_LEAST = 2  # computing nodes in a block


@dataclass(frozen=True)
class Block:
    """Neighbouring nodes, by name."""

    nodes: tuple[str, ...]
    computing: tuple[str, ...]  # convolutions and matrix products among them
    output: str | None  # the one tensor that leaves it; None where the network ends

    @property
    def name(self) -> str:
        """The first and the last computing node, as `first … last`."""
        return f"{self.computing[0]} … {self.computing[-1]}"


def find_blocks(model: ModelProto, outside: frozenset[str] = frozenset()) -> tuple[Block, ...]:
    """The blocks in the order of the graph; together they hold every node but those ``outside``.

    Args:
        model: a float model whose nodes have names, sorted.
        outside: names of nodes that no block may hold: normalisation, and what stays float in any case.
    """
    readers = Counter(name for node in model.graph.node for name in node.input)
    made = {name for node in model.graph.node for name in node.output}
    blocks: list[Block] = []
    held: list[NodeProto] = []
    alive: Counter[str] = Counter()  # tensors made and still to be read, with how often
    for node in model.graph.node:
        if (
            node.op_type not in _ACTIVATIONS
            and len(alive) <= 1
            and sum(n.op_type in _COMPUTING for n in held) >= _LEAST
        ):
            blocks.append(_block(held, next(iter(alive), None)))
            held = []
        for name in node.input:
            if name in made:
                alive[name] -= 1
        alive.update({name: readers[name] for name in node.output if readers[name]})
        alive = +alive
        if node.name in outside:
            continue
        held.append(node)
    if held:
        rest = _block(held, None)
        alone = not blocks or len(rest.computing) >= _LEAST
        last = Block((), (), None) if alone else blocks.pop()
        blocks.append(Block(last.nodes + rest.nodes, last.computing + rest.computing, None))
    return tuple(blocks)


def _block(nodes: list[NodeProto], output: str | None) -> Block:
    return Block(tuple(n.name for n in nodes), tuple(n.name for n in nodes if n.op_type in _COMPUTING), output)
