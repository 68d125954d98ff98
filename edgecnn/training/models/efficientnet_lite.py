"""EfficientNet-Lite: EfficientNet without squeeze-excitation, with ReLU6, made for int8.

Source: Tan and Le, "EfficientNet" (arXiv 1905.11946), and the Lite variants of the TensorFlow TPU models' repository
(``efficientnet/lite``). Batch-norm epsilon 1e-3, TensorFlow's SAME padding. The momentum is torch's 0.1, not the paper's 0.01 (0.99 as
TensorFlow counts): that is made for 350 epochs of ImageNet, and after 150 steps it leaves the running statistics far behind.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.same_conv import SameConv

__all__ = ["EfficientNetLite0"]

# (repeats, kernel, stride, expansion, out channels); the first and the last stage are never scaled
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


class ConvNorm(nn.Sequential):
    """Convolution and batch-norm, and ReLU6 where asked."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, relu: bool = True) -> None:
        layers: list[nn.Module] = [
            SameConv(inputs, outputs, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3),
        ]
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if relu else []))


class InvertedResidual(nn.Module):
    """Expand (1 x 1), depthwise, project (1 x 1, linear), and the input added where shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [ConvNorm(inputs, hidden, 1)] if expansion != 1 else []
        self.layers = nn.Sequential(
            *expand,
            ConvNorm(hidden, hidden, kernel, stride, groups=hidden),
            ConvNorm(hidden, outputs, 1, relu=False),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


class EfficientNetLite0(ImageClassifier):
    """EfficientNet-Lite0: 4,652,008 parameters with 1,000 classes; 224 x 224 pictures."""

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, stride=2)
        blocks: list[nn.Module] = []
        channels = STEM_CHANNELS
        for repeats, kernel, stride, expansion, outputs in STAGES:
            for repeat in range(repeats):
                blocks.append(InvertedResidual(channels, outputs, kernel, stride if repeat == 0 else 1, expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(channels, HEAD_CHANNELS, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(HEAD_CHANNELS, classes))
        _initialize(self)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, 1280]``."""
        return torch.flatten(self.pool(self.head(self.blocks(self.stem(images)))), 1)

    def early_parts(self) -> list[nn.Module]:
        """Stem and blocks, in order."""
        return [self.stem, *self.blocks]


def _initialize(network: nn.Module) -> None:
    """The paper's TensorFlow code: convolutions normal by fan-out, the classifier uniform by fan-out."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
            nn.init.normal_(module.weight, std=(2.0 / fan_out) ** 0.5)
        elif isinstance(module, nn.Linear):
            bound = module.out_features**-0.5
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)
