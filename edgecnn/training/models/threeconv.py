"""The lecture's network that tells cats from dogs: three convolutions, a dense layer, one logit.

On 150 x 150 images with two classes: 19,034,177 parameters, nearly all of them in the dense layer.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgecnn.errors import UsageError
from edgecnn.image_size import ImageSize, height_width, show_image_size
from edgecnn.training.models.base import ImageClassifier

__all__ = ["ThreeConv"]

WIDTHS = (32, 64, 128)
HIDDEN = 512


class ThreeConv(ImageClassifier):
    """Convolutions 3 x 3 without padding, ReLU, 2 x 2 max-pooling after each.

    Dense layer of 512 with ReLU; one logit for two classes.
    """

    behind_feature_map = ("dense",)

    def __init__(self, classes: int, imgsz: ImageSize = 150) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, (height, width) = 3, height_width(imgsz)
        for filters in WIDTHS:
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
            channels, height, width = filters, (height - 2) // 2, (width - 2) // 2
        if min(height, width) < 1:
            raise UsageError(f"threeconv needs images of at least 22 x 22 pixels, --imgsz is {show_image_size(imgsz)}")
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, HIDDEN), nn.ReLU())
        self.classifier = nn.Linear(HIDDEN, 1 if classes == 2 else classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):  # Keras's defaults
                nn.init.xavier_uniform_(module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> the dense layer's output ``[N, 512]``."""
        features: Tensor = self.dense(self.feature_map(images))
        return features

    def feature_map(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> ``[N, 128, h, w]``."""
        found: Tensor = self.convolutions(images)
        return found
