"""The outputs of the layers of a network for one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from edgecnn.errors import CheckpointError
from edgecnn.training.models.base import ImageClassifier

__all__ = ["LayerOutput", "first_convolution", "first_steps", "run_hooked", "several_depths", "watch"]

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU, nn.LeakyReLU, nn.ELU, nn.PReLU, nn.Mish, nn.Tanh)


@dataclass(frozen=True)
class LayerOutput:
    """The output of one layer for one image."""

    name: str  # where it is in the network
    module: nn.Module
    values: Tensor  # [C, h, w]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[1], self.values.shape[2]


def watch(network: ImageClassifier, inputs: Tensor) -> list[LayerOutput]:
    """Returns the feature maps larger than 1 x 1 of all innermost layers, in order of computation.

    ``inputs`` is one image, ``[1, 3, H, W]``.
    """
    found: list[LayerOutput] = []

    def remember(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
            # A copy: the next layer may work in place
            found.append(LayerOutput(name, module, output[0].detach().float().cpu().clone()))

    hooks = [
        module.register_forward_hook(lambda m, _inputs, output, name=name: remember(name, m, output))
        for name, module in network.named_modules()
        if not list(module.children()) and not isinstance(module, nn.Identity | nn.Dropout)
    ]
    run_hooked(network, inputs, hooks)
    return found


def run_hooked(network: nn.Module, inputs: Tensor, hooks: Sequence[RemovableHandle]) -> None:
    """Runs the network once, without gradients, and removes the hooks."""
    try:
        with torch.inference_mode():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()


def first_convolution(outputs: Sequence[LayerOutput]) -> LayerOutput:
    """Returns the first convolution. Raises :class:`CheckpointError` if there is none."""
    for output in outputs:
        if isinstance(output.module, nn.Conv2d):
            return output
    raise CheckpointError(
        "the network has no convolution whose output has more than one place, so there is nothing to show; use "
        "larger images"
    )


def first_steps(outputs: Sequence[LayerOutput], most: int = 4) -> list[LayerOutput]:
    """Returns the outputs from the first convolution up to the second."""
    start = outputs.index(first_convolution(outputs))
    steps = [outputs[start]]
    for output in outputs[start + 1 :]:
        if isinstance(output.module, nn.Conv2d) or len(steps) == most:
            break
        steps.append(output)
    return steps


def several_depths(outputs: Sequence[LayerOutput], most: int = 4) -> list[LayerOutput]:
    """For each feature map size, the last activation's output from shallow to deep."""
    kinds = _ACTIVATIONS if any(isinstance(o.module, _ACTIVATIONS) for o in outputs) else (nn.Conv2d,)
    by_size = {output.size: output for output in outputs if isinstance(output.module, kinds)}
    depths = list(by_size.values())
    if len(depths) <= most:
        return depths
    return [depths[round(i * (len(depths) - 1) / (most - 1))] for i in range(most)]
