"""The lecture's network that tells cats from dogs: three convolutions, a dense layer, one logit.

On 150 x 150 images with two classes: 19,034,177 parameters, nearly all of them in the dense layer.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgecnn.errors import UsageError
from edgecnn.training.models.base import ImageClassifier

__all__ = ["ThreeConv"]

WIDTHS = (32, 64, 128)
HIDDEN = 512


class ThreeConv(ImageClassifier):
    """Convolutions 3 x 3 without padding, ReLU, 2 x 2 max-pooling after each.

    Dense layer of 512 with ReLU; one logit for two classes.
    """

    def __init__(self, classes: int, imgsz: int = 150) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = 3, imgsz
        for width in WIDTHS:
            layers += [nn.Conv2d(channels, width, 3), nn.ReLU(), nn.MaxPool2d(2)]
            channels, side = width, (side - 2) // 2
        if side < 1:
            raise UsageError(f"threeconv needs images of at least 22 x 22 pixels, --imgsz is {imgsz}")
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, HIDDEN), nn.ReLU())
        self.classifier = nn.Linear(HIDDEN, 1 if classes == 2 else classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):  # Keras's defaults
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> the dense layer's output ``[N, 512]``."""
        features: Tensor = self.dense(self.convolutions(images))
        return features
