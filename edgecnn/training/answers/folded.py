"""A network whose batch-norm is part of its convolutions: a pass over the images less for each."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from edgecnn.training.layers.convolution import Convolution
from edgecnn.training.layers.inverted_residual import ConvNorm
from edgecnn.training.models.base import ImageClassifier

__all__ = ["FoldedConvolution", "folded"]


class FoldedConvolution(nn.Module):
    """A convolution and the batch-norm that follows it, as one convolution."""

    def __init__(self, plain: Convolution, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        assert norm.running_mean is not None
        assert norm.running_var is not None
        weight, self.bias = fuse_conv_bn_weights(
            plain.weight, plain.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        self.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
        self.plain = plain

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[N, outputs, H', W']``."""
        return self.plain.convolve(x, self.weight, self.bias)


def folded(network: ImageClassifier) -> ImageClassifier:
    """A copy that answers as the network does in evaluation mode, but for rounding.

    What is not one of this package's convolutions with a batch-norm behind it is copied as it is.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    for module in reversed(list(copied.modules())):  # the inner ones first
        for name, child in list(module.named_children()):
            if type(child) in (nn.Sequential, ConvNorm):
                setattr(module, name, _folded(list(child.children())))
    return copied


def _folded(layers: list[nn.Module]) -> nn.Sequential:
    """As many layers as before, with nothing in the place of a batch-norm."""
    for i in range(len(layers) - 1):
        layer, norm = layers[i], layers[i + 1]
        if isinstance(layer, Convolution) and isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
            layers[i], layers[i + 1] = FoldedConvolution(layer, norm), nn.Identity()
    return nn.Sequential(*layers)
