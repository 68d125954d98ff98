"""EfficientNet-Lite 0 to 2: EfficientNet without squeeze-excitation, with ReLU6, made for int8.

Source: Tan and Le, "EfficientNet" (arXiv 1905.11946), and the Lite variants of the TensorFlow TPU models' repository
(``efficientnet/lite``). Batch-norm epsilon 1e-3, TensorFlow's SAME padding. The stem and the head are never scaled, nor
the repeats of the first and the last stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import nn

from edgecnn.training.layers.inverted_residual import Stage, StagedNetwork, Style, divisible_by_8

__all__ = ["LITE0", "LITE1", "LITE2", "EfficientNetLite", "Scale"]

STYLE = Style(lambda: nn.ReLU6(inplace=True), epsilon=1e-3, tensorflow_padding=True)
STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, outputs=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, outputs=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, outputs=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, outputs=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, outputs=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, outputs=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, outputs=320),
)


@dataclass(frozen=True)
class Scale:
    """By how much a variant is wider and deeper than Lite0."""

    width: float
    depth: float


LITE0, LITE1, LITE2 = Scale(1.0, 1.0), Scale(1.0, 1.1), Scale(1.1, 1.2)


class EfficientNetLite(StagedNetwork):
    """With 1,000 classes Lite0 has 4,652,008 parameters, Lite1 5,416,680, Lite2 6,092,072.

    Made for 224, 240 and 260 pixels.
    """

    def __init__(self, classes: int, scale: Scale = LITE0, dropout: float = 0.2) -> None:
        super().__init__(classes, _scaled(scale), STYLE, dropout)
        linear = self.classifier[-1]
        assert isinstance(linear, nn.Linear)
        bound = classes**-0.5  # uniform by fan-out, as the paper's TensorFlow code
        nn.init.uniform_(linear.weight, -bound, bound)
        nn.init.zeros_(linear.bias)


def _scaled(scale: Scale) -> tuple[Stage, ...]:
    return tuple(
        replace(
            stage,
            outputs=divisible_by_8(stage.outputs * scale.width),
            repeats=stage.repeats if i in (0, len(STAGES) - 1) else math.ceil(stage.repeats * scale.depth),
        )
        for i, stage in enumerate(STAGES)
    )
