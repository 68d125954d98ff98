"""Inverted residual blocks, of which the MobileNets since the second and EfficientNet-Lite are made.

Source: Sandler et al., "MobileNetV2" (arXiv 1801.04381); squeeze-and-excitation in them: Howard et al., "Searching for
MobileNetV3" (arXiv 1905.02244). The batch-norm momentum is torch's 0.1 in every network: the papers' 0.01 (0.99 as
TensorFlow counts) is made for hundreds of epochs of ImageNet, and after 150 steps it leaves the running statistics far
behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edgecnn.training.layers.convolution import Convolution, SameConv
from edgecnn.training.models.base import ImageClassifier

__all__ = [
    "ConvNorm",
    "InvertedResidual",
    "SqueezeExcitation",
    "Stage",
    "StagedNetwork",
    "Style",
    "divisible_by_8",
    "initialize_convolutions",
]

STEM_CHANNELS, HEAD_CHANNELS = 32, 1280  # of every network in stages


@dataclass(frozen=True)
class Style:
    """What all layers of a network have in common."""

    activation: Callable[[], nn.Module]
    epsilon: float = 1e-5  # of batch-norm
    tensorflow_padding: bool = False  # SAME; else symmetric, as torchvision pads


@dataclass(frozen=True)
class Stage:
    """Blocks with as many output channels; the first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    outputs: int


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch-norm, and the style's activation unless the block is to end linear."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        style: Style,
        *,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        kind = SameConv if style.tensorflow_padding else Convolution
        convolution = kind(inputs, outputs, kernel, stride, groups=groups, bias=False)
        super().__init__(
            convolution, nn.BatchNorm2d(outputs, eps=style.epsilon), *([] if linear else [style.activation()])
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> ``[N, outputs, H', W']``.

        While the rest trains beside frozen statistics, batch-norm is a factor and an offset a channel: they join the
        convolution's weights, through which their gradients flow, and a pass over the images is saved each way.
        """
        convolution, norm = self[0], self[1]
        assert isinstance(convolution, Convolution)
        assert isinstance(norm, nn.BatchNorm2d)
        if norm.training or not self.training:
            plain: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
            return plain
        assert norm.running_var is not None
        assert norm.running_mean is not None
        factor = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # [outputs]
        y = convolution.convolve(
            x, convolution.weight * factor[:, None, None, None], norm.bias - norm.running_mean * factor
        )
        for place in range(2, len(self)):
            y = self[place](y)
        return y


class SqueezeExcitation(nn.Module):
    """Weighs channels by what their means say.

    Pool, two 1 x 1 convolutions through a quarter of the channels, hard sigmoid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible_by_8(channels // 4)
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[N, C, H, W]`` -> the same shape."""
        weighed: Tensor = x * self.weights(x)
        return weighed


class InvertedResidual(nn.Module):
    """Expand (1 x 1), depthwise, squeeze-and-excitation where asked, project (1 x 1, linear), and the input added where
    shapes agree."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, kernel: int, stride: int, style: Style, *, squeeze: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *([ConvNorm(inputs, hidden, 1, style)] if hidden != inputs else []),
            ConvNorm(hidden, hidden, kernel, style, stride=stride, groups=hidden),
            *([SqueezeExcitation(hidden)] if squeeze else []),
            ConvNorm(hidden, outputs, 1, style, linear=True),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """``[N, inputs, H, W]`` -> ``[N, outputs, ceil(H / stride), ceil(W / stride)]``."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class StagedNetwork(ImageClassifier):
    """Stem, stages of inverted residuals, a 1 x 1 convolution, mean, dropout and a linear layer; any image size."""

    classifier: nn.Sequential

    def __init__(self, classes: int, stages: Sequence[Stage], style: Style, dropout: float) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, style, stride=2)
        self.blocks = _blocks(stages, style)
        self.head = ConvNorm(stages[-1].outputs, HEAD_CHANNELS, 1, style)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(HEAD_CHANNELS, classes))
        initialize_convolutions(self)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, 1280]``."""
        return torch.flatten(self.pool(self.feature_map(images)), 1)

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> ``[N, 1280, h, w]``."""
        found: Tensor = self.head(self.blocks(self.stem(images)))
        return found

    def early_parts(self) -> list[nn.Module]:
        """Stem and blocks, in order."""
        return [self.stem, *self.blocks]


def _blocks(stages: Sequence[Stage], style: Style) -> nn.Sequential:
    blocks: list[nn.Module] = []
    channels = STEM_CHANNELS
    for stage in stages:
        for repeat in range(stage.repeats):
            stride = stage.stride if repeat == 0 else 1
            blocks.append(
                InvertedResidual(channels, channels * stage.expansion, stage.outputs, stage.kernel, stride, style)
            )
            channels = stage.outputs
    return nn.Sequential(*blocks)


def divisible_by_8(channels: float) -> int:
    """The nearest multiple of 8, never more than a tenth below: how the papers' code rounds scaled channels."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def initialize_convolutions(network: nn.Module) -> None:
    """As the papers' TensorFlow code: normal by fan-out of one group, biases zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
