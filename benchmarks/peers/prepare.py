"""Makes the images and the model files that need torch or EdgeCNN itself; runs in the developer's environment.

python prepare.py images DATA WORK      # WORK/images and WORK/truth.json
python prepare.py network DATA WORK     # the network as torch, TorchScript and ONNX, and the images of the calibration
python prepare.py plain-int8 DATA WORK  # onnxruntime's int8 of the ONNX file
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from edgecnn.data.dataset import find_images
from edgecnn.data.loading import fitted_batches
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.models.imagenet import imagenet_classes, pretrained_imagenet
from exporters.quantization.eval_images import choose_images

SMALL, LARGE = 64, 24  # images of the two folders
CALIBRATION = 300  # as many as `edgecnn quantize` takes; it keeps half of a smaller folder for its evaluation
SIDE = 224


def main() -> None:
    what, data, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    {"images": make_images, "network": make_network, "plain-int8": make_plain_int8}[what](data, work)


def make_images(data: Path, work: Path) -> None:
    """All images under names in order, with their classes; some at 500 pixels, and some of 12 megapixels."""
    ids, names = imagenet_classes()
    classes = {name: i for i, name in enumerate(names)} | {word: i for i, word in enumerate(ids)}
    paths = [p for p in find_images(data) if p.parent.name in classes]
    every = fresh_folder(work / "images" / "all")
    for i, path in enumerate(paths):
        (every / f"{i:05d}.jpg").symlink_to(path.resolve())
    (work / "truth.json").write_text(json.dumps([classes[p.parent.name] for p in paths]))
    chosen = np.random.default_rng(0).permutation(len(paths))
    for name, count, size in (("small", SMALL, None), ("large", LARGE, (4000, 3000))):
        folder = fresh_folder(work / "images" / name)
        for i, k in enumerate(chosen[:count]):
            write_resized(paths[k], folder / f"{i:03d}.jpg", size)


def fresh_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_resized(path: Path, target: Path, size: tuple[int, int] | None) -> None:
    """At ``size`` (width, height), or with a longer side of 500 pixels."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    scale = 500 / max(image.shape[:2])
    size = size or (round(image.shape[1] * scale), round(image.shape[0] * scale))
    larger = size[0] > image.shape[1]
    image = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if larger else cv2.INTER_AREA)
    cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, 90])


def make_network(data: Path, work: Path) -> None:
    """As a user would export it: normalised float images, NCHW, to logits."""
    models = work / "models"
    network = pretrained_imagenet("efficientnet_lite0").network.eval()
    one, two = torch.zeros(1, 3, SIDE, SIDE), torch.zeros(2, 3, SIDE, SIDE)
    torch.export.save(torch.export.export(network, (one,)), models / "torch_one.pt2")
    any_batch = ({0: torch.export.Dim("batch", min=1)},)
    torch.export.save(torch.export.export(network, (two,), dynamic_shapes=any_batch), models / "torch.pt2")
    torch.jit.trace(network, one).save(str(models / "torchscript.pt"))
    torch.onnx.export(
        network,
        (one,),
        models / "plain.float.onnx",
        input_names=["input"],
        output_names=["logits"],
        dynamo=True,
        external_data=False,
    )
    np.save(models / "calibration.npy", calibration_images(data, models / "edgecnn.float.onnx"))


def calibration_images(data: Path, model: Path) -> np.ndarray:
    """uint8 ``[N, 224, 224, 3]``, RGB: the images that `edgecnn quantize` calibrates on, resized as EdgeCNN does."""
    session = open_session(model, "cpu")
    chosen = choose_images(data, session, CALIBRATION, 0)
    return np.concatenate([batch.images for batch in fitted_batches(chosen.calibration, session.manifest, 25)])


def make_plain_int8(data: Path, work: Path) -> None:  # noqa: ARG001  # called as the others are
    """onnxruntime's `quantize_static` as its documentation has it for a CPU with VNNI."""
    models = work / "models"
    quant_pre_process(models / "plain.float.onnx", models / "plain.prepared.onnx")
    quantize_static(
        models / "plain.prepared.onnx",
        models / "plain.int8.onnx",
        Reader(np.load(models / "calibration.npy")),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    onnx.checker.check_model(models / "plain.int8.onnx")


class Reader(CalibrationDataReader):  # type: ignore[misc]
    """Gives onnxruntime the images of the calibration, normalised."""

    def __init__(self, images: np.ndarray) -> None:
        self.images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next one, or None at the end."""
        image = next(self.images, None)
        if image is None:
            return None
        return {"input": ((image.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]}


if __name__ == "__main__":
    main()
