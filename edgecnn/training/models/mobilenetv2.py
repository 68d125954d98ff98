"""MobileNetV2: 3,504,872 parameters with 1,000 classes; 224 x 224 images.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks" (arXiv 1801.04381), table 2. Padding,
batch-norm epsilon and the order of tensors are torchvision's (``mobilenet_v2``), so that weights trained there fit.
"""

from __future__ import annotations

from torch import nn

from edgecnn.training.layers.inverted_residual import Stage, StagedNetwork, Style

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


class MobileNetV2(StagedNetwork):
    """Width 1.0."""

    def __init__(self, classes: int, dropout: float = 0.2) -> None:
        super().__init__(classes, STAGES, STYLE, dropout)
        linear = self.classifier[-1]
        assert isinstance(linear, nn.Linear)
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)
