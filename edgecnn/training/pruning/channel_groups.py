"""Which layers share their channels, found by tracing a network.

A convolution makes new channels. Batch-norm, activations, pooling and depthwise convolutions keep the channels of their
input. A sum or a product of two tensors joins their channels: what a residual connection adds must be equally wide.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn

from edgecnn.errors import UsageError
from edgecnn.training.models.base import ImageClassifier

__all__ = ["ChannelGroup", "channel_groups"]

_SAME_CHANNELS = (
    nn.ReLU,
    nn.ReLU6,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Dropout,
    nn.Identity,
    nn.AdaptiveAvgPool2d,
    nn.MaxPool2d,
    nn.Flatten,
)
_JOINS: tuple[Callable[..., Any], ...] = (operator.add, operator.mul)


@dataclass
class ChannelGroup:
    """Channels that can only be removed together, and the layers that have them; by module names."""

    count: int
    makers: list[str] = field(default_factory=list)  # convolutions and linear layers with these outputs
    keepers: list[str] = field(default_factory=list)  # batch-norms and depthwise convolutions
    readers: list[str] = field(default_factory=list)  # convolutions and linear layers with these inputs

    @property
    def name(self) -> str:
        """The first layer that makes the channels."""
        return self.makers[0]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


class _Groups:
    """The groups of a network while its graph is walked."""

    def __init__(self, network: nn.Module) -> None:
        self._modules = dict(network.named_modules())
        self._of: dict[fx.Node, ChannelGroup | None] = {}  # None: of the image

    def visit(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            self._of[node] = None
        elif node.op == "call_module":
            self._of[node] = self._layer(str(node.target), self._of[_tensor(node)])
        elif node.op == "call_function" and node.target in _JOINS:
            self._of[node] = self._joined(*(self._of[found] for found in node.all_input_nodes))
        elif node.op == "call_function" and node.target is torch.flatten:
            self._of[node] = self._of[_tensor(node)]
        elif node.op != "output":
            raise UsageError(
                f"--prune: this network cannot be pruned: it uses {node.target}, whose channels are not known"
            )

    def found(self) -> list[ChannelGroup]:
        """Each group once, in the order of the layers."""
        return list({id(group): group for group in self._of.values() if group is not None}.values())

    def _layer(self, name: str, group: ChannelGroup | None) -> ChannelGroup | None:
        module = self._modules[name]
        if isinstance(module, nn.BatchNorm2d) or _is_depthwise(module):
            if group is not None:
                group.keepers.append(name)
            return group
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1):
            if group is not None:
                group.readers.append(name)
            return ChannelGroup(len(module.weight), makers=[name])
        if not isinstance(module, _SAME_CHANNELS):
            raise UsageError(f"--prune: this network cannot be pruned: its layer {name} is a {type(module).__name__}")
        return group

    def _joined(self, first: ChannelGroup | None, second: ChannelGroup | None) -> ChannelGroup | None:
        if first is second:
            return first
        if first is None or second is None:
            raise UsageError("--prune: this network cannot be pruned: it adds or multiplies the image itself")
        first.makers += second.makers
        first.keepers += second.keepers
        first.readers += second.readers
        self._of = {node: first if group is second else group for node, group in self._of.items()}
        return first


def _is_depthwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.groups == module.in_channels == module.out_channels > 1


def _tensor(node: fx.Node) -> fx.Node:
    return node.all_input_nodes[0]


def channel_groups(network: ImageClassifier) -> list[ChannelGroup]:
    """The groups of channels in the order of the layers, without the image's and the logits'.

    Raises:
        UsageError: the network has a layer whose channels are not known.
    """
    before = network.training
    groups = _Groups(network.eval())
    try:
        for node in _Tracer().trace(network).nodes:
            groups.visit(node)
    finally:
        network.train(before)
    return [group for group in groups.found() if group.readers]
