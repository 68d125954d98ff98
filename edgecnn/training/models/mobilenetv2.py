"""MobileNetV2: 3,504,872 parameters with 1,000 classes; 224 x 224 pictures.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (arXiv 1801.04381), table 2. Padding, batch-norm epsilon and the
order of tensors are torchvision's (``mobilenet_v2``), so that weights trained there fit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.inverted_residual import ConvNorm, Stage, Style, initialize_convolutions, inverted_residuals

__all__ = ["MobileNetV2"]

STYLE = Style(lambda: nn.ReLU6(inplace=True))
STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, outputs=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, outputs=24),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, outputs=32),
    Stage(repeats=4, kernel=3, stride=2, expansion=6, outputs=64),
    Stage(repeats=3, kernel=3, stride=1, expansion=6, outputs=96),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, outputs=160),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, outputs=320),
)
STEM_CHANNELS, HEAD_CHANNELS = 32, 1280


class MobileNetV2(ImageClassifier):
    """Width 1.0; any picture size, the pooling is global."""

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, STYLE, stride=2)
        self.blocks = inverted_residuals(STEM_CHANNELS, STAGES, STYLE)
        self.head = ConvNorm(STAGES[-1].outputs, HEAD_CHANNELS, 1, STYLE)
        self.pool = nn.AdaptiveAvgPool2d(1)
        linear = nn.Linear(HEAD_CHANNELS, classes)
        self.classifier = nn.Sequential(nn.Dropout(dropout), linear)
        initialize_convolutions(self)
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> pooled features ``[N, 1280]``."""
        return torch.flatten(self.pool(self.head(self.blocks(self.stem(images)))), 1)
