"""ResNet-8 of the MLPerf Tiny benchmark's image classification.

78,666 parameters with ten classes, as Keras counts (480 of them running statistics).

Source: Banbury et al., "MLPerf Tiny Benchmark" (arXiv 2106.07597), reference model ``resnet_v1_eembc``. Convolutions
have biases, as there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecnn.training.layers.convolution import SameConv
from edgecnn.training.models.base import ImageClassifier

__all__ = ["ResNet8"]

WIDTHS = (16, 32, 64)


class Residual(nn.Module):
    """Two convolutions and their input added, by way of a 1 x 1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            SameConv(inputs, outputs, 3, stride),
            nn.BatchNorm2d(outputs, eps=1e-3),
            nn.ReLU(inplace=True),
            SameConv(outputs, outputs, 3),
            nn.BatchNorm2d(outputs, eps=1e-3),
        )
        self.residual = stride == 1 and inputs == outputs  # the input is added as it is
        self.shortcut = nn.Identity() if self.residual else SameConv(inputs, outputs, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.shortcut(x) + self.layers(x))
        return y


class ResNet8(ImageClassifier):
    """One residual block each of 16, 32 and 64 channels; 32 x 32 images, any other size too: the pooling is global."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, WIDTHS[0], 3), nn.BatchNorm2d(WIDTHS[0], eps=1e-3), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(
            *(Residual(WIDTHS[max(i - 1, 0)], width, stride=1 if i == 0 else 2) for i, width in enumerate(WIDTHS)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(WIDTHS[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, 64]``."""
        return torch.flatten(self.pool(self.feature_map(images)), 1)

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> ``[N, 64, h, w]``."""
        found: Tensor = self.blocks(self.stem(images))
        return found
