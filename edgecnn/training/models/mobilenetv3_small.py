"""MobileNetV3-Small: 2,542,856 parameters with 1,000 classes; 224 x 224 images.

Source: Howard et al., "Searching for MobileNetV3" (arXiv 1905.02244), table 2. Padding, batch-norm epsilon 1e-3 and the
order of tensors are torchvision's (``mobilenet_v3_small``), so that weights trained there fit; the count is
torchvision's too, the paper rounds to 2.5 M.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from edgecnn.training.layers.inverted_residual import ConvNorm, InvertedResidual, Style, initialize_convolutions
from edgecnn.training.models.base import ImageClassifier

__all__ = ["MobileNetV3Small"]

RELU = Style(lambda: nn.ReLU(inplace=True), epsilon=1e-3)
HARD_SWISH = Style(lambda: nn.Hardswish(inplace=True), epsilon=1e-3)


class _Block(NamedTuple):
    kernel: int
    hidden: int
    outputs: int
    squeeze: bool
    style: Style
    stride: int


BLOCKS = (
    _Block(3, 16, 16, True, RELU, 2),
    _Block(3, 72, 24, False, RELU, 2),
    _Block(3, 88, 24, False, RELU, 1),
    _Block(5, 96, 40, True, HARD_SWISH, 2),
    _Block(5, 240, 40, True, HARD_SWISH, 1),
    _Block(5, 240, 40, True, HARD_SWISH, 1),
    _Block(5, 120, 48, True, HARD_SWISH, 1),
    _Block(5, 144, 48, True, HARD_SWISH, 1),
    _Block(5, 288, 96, True, HARD_SWISH, 2),
    _Block(5, 576, 96, True, HARD_SWISH, 1),
    _Block(5, 576, 96, True, HARD_SWISH, 1),
)
STEM_CHANNELS, HEAD_CHANNELS, EMBEDDING = 16, 576, 1024


class MobileNetV3Small(ImageClassifier):
    """Width 1.0; any image size, the pooling is global.

    The features are taken after the layer that follows the pooling.
    """

    behind_feature_map = ("embedding",)

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, HARD_SWISH, stride=2)
        inputs = (STEM_CHANNELS, *(block.outputs for block in BLOCKS))
        self.blocks = nn.Sequential(
            *(
                InvertedResidual(n, b.hidden, b.outputs, b.kernel, b.stride, b.style, squeeze=b.squeeze)
                for n, b in zip(inputs, BLOCKS, strict=False)
            )
        )
        self.head = ConvNorm(BLOCKS[-1].outputs, HEAD_CHANNELS, 1, HARD_SWISH)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.embedding = nn.Sequential(nn.Linear(HEAD_CHANNELS, EMBEDDING), nn.Hardswish(inplace=True))
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(EMBEDDING, classes))
        initialize_convolutions(self)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.01)
                nn.init.zeros_(module.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> features ``[N, 1024]``."""
        features: Tensor = self.embedding(torch.flatten(self.pool(self.feature_map(images)), 1))
        return features

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> ``[N, 576, h, w]``."""
        found: Tensor = self.head(self.blocks(self.stem(images)))
        return found
