"""MobileNetV1 with a quarter of its channels, of the MLPerf Tiny benchmark's visual wake words.

Is there a person in the image?

Source: Howard et al., "MobileNets" (arXiv 1704.04861), as the reference model ``vww_model.py`` of MLPerf Tiny (Banbury
et al., arXiv 2106.07597) builds it: 96 x 96 images, two classes, ReLU where the paper's code has ReLU6, convolutions
with biases, TensorFlow's SAME padding. 221,794 parameters as Keras counts, 5,472 of them running statistics.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from edgecnn.training.layers.convolution import SameConv
from edgecnn.training.models.base import ImageClassifier

__all__ = ["MobileNetV1Quarter"]

WIDTHS = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
HALVED_BY = (2, 4, 6, 12)  # the blocks whose depthwise convolution has stride 2, counted from one


class MobileNetV1Quarter(ImageClassifier):
    """A convolution and thirteen depthwise separable ones; any image size, the pooling is global."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = _conv_norm(3, WIDTHS[0], 3, stride=2)
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    _conv_norm(inputs, inputs, 3, stride=2 if i in HALVED_BY else 1, groups=inputs),
                    _conv_norm(inputs, outputs, 1),
                )
                for i, (inputs, outputs) in enumerate(pairwise(WIDTHS), 1)
            )
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(WIDTHS[-1], classes)
        for module in self.modules():  # he_normal for the convolutions, Keras's default for the dense layer
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        nn.init.xavier_uniform_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, 256]``."""
        return torch.flatten(self.pool(self.feature_map(images)), 1)

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> ``[N, 256, h, w]``."""
        found: Tensor = self.blocks(self.stem(images))
        return found


def _conv_norm(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        SameConv(inputs, outputs, kernel, stride, groups=groups),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU(inplace=True),
    )
