"""Trains the classic network on a folder of two classes and makes the images of docs/how-it-learns.md from it.

    python scripts/draw_cats_and_dogs.py drawings
    python scripts/make_learning_images.py drawings --out docs/images

By the code of ``edgecnn explain``; as JPEG, each below 60 kB. With ``--checkpoint`` a finished run is used instead of
training.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from edgecnn.atomic import write_bytes
from edgecnn.data.dataset import scan_folder
from edgecnn.data.split_record import content_digest
from edgecnn.image.heatmap import overlay
from edgecnn.preprocess import Image, preprocess, read_image
from edgecnn.training import TrainOptions, train
from edgecnn.training.explain.activation_maps import activation_maps
from edgecnn.training.explain.layers import first_convolution, several_depths, watch
from edgecnn.training.explain.plates import feature_plate, filter_plate, input_plate, step_plate
from edgecnn.training.explain.sheet import Tile, draw_sheet
from edgecnn.training.models.registry import find_model
from edgecnn.training.models.weights import load_pretrained
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend, open_checkpoint

MAX_BYTES = 60_000
CHANNELS = 16
EPOCHS = 12


def main() -> None:
    """Writes the images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a folder of images, one folder a class")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--checkpoint", type=Path, help="a finished run's weights/best.pt")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = options.checkpoint or trained(options.data, Path(folder) / "run")
        backend = open_checkpoint(checkpoint)
        for name, image in images(backend, held_out(backend, options.data)).items():
            write_small(options.out / f"{name}.jpg", image)
    write_small(options.out / "filters-pretrained.jpg", pretrained_filters())


def pretrained_filters() -> Image:
    """The first layer of EfficientNet-Lite0 as it comes from ImageNet; needs the demo extra."""
    spec = find_model("efficientnet_lite0")
    assert spec.weights is not None
    network = spec.build(spec.weights.classes, spec.imgsz)
    load_pretrained(network, spec.weights)
    return filter_plate(
        first_convolution(watch(network.eval(), torch.zeros(1, 3, spec.imgsz, spec.imgsz))), CHANNELS
    ).image


def trained(data: Path, run: Path) -> Path:
    """The lecture's network and recipe, for fewer epochs."""
    result = train(TrainOptions(data, out=run, preset="classic", epochs=EPOCHS, test_split=0.1))
    print(f"validation top-1 {result.val_top1:.4f}, test top-1 {result.test_top1}, {result.seconds:.0f} s")
    return Path(result.best_checkpoint)


def held_out(backend: TorchBackend, data: Path) -> list[list[Path]]:
    """The first images of each class that training did not learn from."""
    found: list[list[Path]] = [[] for _ in backend.manifest.labels]
    for image in scan_folder(data).images:
        unseen = (
            backend.split_record is None
            or backend.split_record.split_of(content_digest(image.path.read_bytes())) != "train"
        )
        if unseen and image.class_name in backend.manifest.labels:
            found[backend.manifest.labels.index(image.class_name)].append(image.path)
    return found


def images(backend: TorchBackend, unseen: Sequence[Sequence[Path]]) -> dict[str, Image]:
    """Names and images."""
    image = read_image(unseen[1][0])
    seen = preprocess(unseen[1][0], backend.manifest.input, backend.manifest.preprocess)
    outputs = watch(
        backend.network,
        normalize(seen[None], backend.manifest.normalization, next(backend.network.parameters()).device),
    )
    shallow, *_, deep = several_depths(outputs)
    return {
        "input": input_plate(image, seen).image,
        "filters": filter_plate(first_convolution(outputs), CHANNELS).image,
        "steps": step_plate(outputs).image,
        "features-shallow": feature_plate(shallow, 1, CHANNELS).image,
        "features-deep": feature_plate(deep, 3, CHANNELS).image,
        "activation-maps": evidence(backend, [path for paths in unseen for path in paths[:2]]),
    }


def evidence(backend: TorchBackend, paths: Sequence[Path]) -> Image:
    """Images, and under each what its answer rests on."""
    above, below = [], []
    for path in paths:
        seen = preprocess(path, backend.manifest.input, backend.manifest.preprocess)
        scores = backend.probabilities(seen[None])[0]
        answer = int(scores.argmax())
        heat = activation_maps(
            backend.network,
            normalize(seen[None], backend.manifest.normalization, next(backend.network.parameters()).device),
            [answer],
        )
        above.append(Tile(seen, f"shown: {path.parent.name}"))
        below.append(Tile(overlay(seen, heat[0]), f"answer: {backend.manifest.labels[answer]} {scores[answer]:.2f}"))
    return draw_sheet("What the answers rest on", [*above, *below], 150, len(paths))


def write_small(path: Path, image: Image) -> None:
    """As JPEG, of the best quality that stays small."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    for quality in range(92, 40, -4):
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) < MAX_BYTES:
            break
    write_bytes(path, np.asarray(data).tobytes())
    print(f"{path}: {len(data) / 1000:.0f} kB, {image.shape[1]} x {image.shape[0]}, quality {quality}")


if __name__ == "__main__":
    main()
