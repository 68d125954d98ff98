"""The network of the committed checkpoints: 1,442 weights, so that a run folder takes a few KB."""

from __future__ import annotations

from torch import Tensor, nn


class SmallNetwork(nn.Module):
    """Two strided convolutions, a global average, a linear layer: float [N, 3, 16, 16] -> [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images))
