"""What each layer of a network costs, by how many channels it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgecnn.image_size import ImageSize, height_width
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.pruning.channel_groups import ChannelGroup

__all__ = ["LayerCost", "layer_costs", "macs", "nanoseconds"]

# Estimated time of an int8 convolution in nanoseconds: onnxruntime 1.32, one thread, AVX512-VNNI (Xeon, model 207).
# `benchmarks/fit_layer_cost.py` fits them to 60 shapes of each kind, from 4 to 112 pixels. A second fit, which counted
# processor time, found these values to be off by 9 % (depthwise: 4 %) in the median; its own were off by 6 % and 4 %.
# Processors without VNNI, and ARM, were not measured.
_CALL_NS = 3000.0
_POSITION_NS, _OUTPUT_NS, _INPUT_NS, _MAC_NS = 1.9, 0.097, 0.017, 0.0029
_TAP_NS, _DEPTHWISE_OUTPUT_NS, _DEPTHWISE_MAC_NS = 0.88, 0.12, 0.0275
_BLOCK = 16  # channels that the kernels compute at once
_REMAINDER = 2.2  # a depthwise kernel with a number of channels that is no multiple takes so many times as long


@dataclass(frozen=True)
class LayerCost:
    """A convolution or linear layer: where its channels come from, and how often its weights are used."""

    name: str
    reads: str | None  # group of its inputs; None: they never change
    makes: str | None  # group of its outputs
    inputs: int
    outputs: int
    cells: int  # of the kernel, or of a flattened map that it reads
    positions: int  # of the output
    depthwise: bool


def macs(layer: LayerCost, inputs: int, outputs: int) -> float:
    """Multiply-accumulates for one image, with so many channels."""
    return layer.positions * layer.cells * outputs * (1 if layer.depthwise else inputs)


def nanoseconds(layer: LayerCost, inputs: int, outputs: int) -> float:
    """Estimated time of the int8 layer for one image, with so many channels."""
    whole = -(-outputs // _BLOCK) * _BLOCK
    if layer.depthwise:
        slow = _REMAINDER if outputs % _BLOCK else 1.0
        each = layer.cells * _TAP_NS + whole * (_DEPTHWISE_OUTPUT_NS + layer.cells * _DEPTHWISE_MAC_NS) * slow
        return _CALL_NS + layer.positions * each
    read = layer.cells * inputs
    each = _POSITION_NS + outputs * _OUTPUT_NS + read * (_INPUT_NS + whole * _MAC_NS)
    return _CALL_NS + layer.positions * each


def layer_costs(network: ImageClassifier, groups: Sequence[ChannelGroup], imgsz: ImageSize) -> list[LayerCost]:
    """Each convolution and linear layer of a network, in the order of its modules."""
    makes = {name: group.name for group in groups for name in (*group.makers, *group.keepers)}
    reads = {name: group.name for group in groups for name in group.readers}
    counts = {group.name: group.count for group in groups}
    positions = _positions(network, imgsz)
    return [
        _cost(name, layer, positions[name], reads.get(name), makes.get(name), counts)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]


def _cost(
    name: str,
    layer: nn.Conv2d | nn.Linear,
    positions: int,
    reads: str | None,
    makes: str | None,
    counts: Mapping[str, int],
) -> LayerCost:
    outputs, width, *kernel = layer.weight.shape
    depthwise = isinstance(layer, nn.Conv2d) and layer.groups > 1
    inputs = outputs if depthwise else width if reads is None else counts[reads]
    return LayerCost(
        name=name,
        reads=makes if depthwise else reads,
        makes=makes,
        inputs=inputs,
        outputs=outputs,
        cells=kernel[0] * kernel[1] if kernel else width // inputs,
        positions=positions,
        depthwise=depthwise,
    )


def _positions(network: nn.Module, imgsz: ImageSize) -> Mapping[str, int]:
    """Positions of each layer's output, from one pass of an empty image."""
    found: dict[str, int] = {}

    def note(name: str) -> object:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found[name] = output[0].numel() // output.shape[1]

        return hook

    layers = {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    hooks = [layer.register_forward_hook(note(name)) for name, layer in layers.items()]  # type: ignore[arg-type]
    before = network.training
    device = next(network.parameters()).device
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, *height_width(imgsz), device=device))
    finally:
        network.train(before)
        for hook in hooks:
            hook.remove()
    return found
