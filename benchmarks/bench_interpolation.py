#!/usr/bin/env python
"""How often a model answers as it does with Pillow's bilinear, for each interpolation, and what a resize costs.

python benchmarks/bench_interpolation.py MODEL DATA

Answers: every image below DATA, the shorter side to the model's size / 0.875, then the centre, as torchvision does.
Times: processor time of one thread, medians of interleaved runs. Needs Pillow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pil  # noqa: TID251  # what the interpolations are compared with

from edgecnn.data.image_folder import find_images
from edgecnn.manifest import InputSpec, Interpolation, PreprocessSpec
from edgecnn.preprocess import Image, fit, read_image
from edgecnn.runtime.session.opening import open_session

CROP = 0.875
KINDS: tuple[Interpolation, ...] = ("antialias", "area", "linear", "cubic", "nearest")
SIZES = ((640, 480, 60), (1920, 1080, 20), (4000, 3000, 6))  # width, height, runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    images = [read_image(path) for path in find_images(asked.data)]
    compare_answers(asked.model, images)
    for width, height, runs in SIZES:
        measure_time(cv2.resize(images[0], (width, height)), runs)  # type: ignore[arg-type]  # cv2's stubs know no dtype


def compare_answers(model: Path, images: list[Image]) -> None:
    session = open_session(model, "cpu")
    size = session.manifest.input
    wanted = classes_of(session.probabilities, [crop_by_pillow(image, size) for image in images])
    for kind in KINDS:
        spec = PreprocessSpec("crop", kind, CROP, 0)
        found = classes_of(session.probabilities, [fit(image, size, spec) for image in images])
        print(f"{kind}: same class as with Pillow on {np.mean(found == wanted):.2%} of {len(images)} images")


def classes_of(probabilities: Callable[[Image], np.ndarray], images: list[Image]) -> np.ndarray:
    batches = [np.stack(images[i : i + 32]) for i in range(0, len(images), 32)]
    return np.concatenate([probabilities(batch).argmax(1) for batch in batches])


def crop_by_pillow(image: Image, size: InputSpec) -> Image:
    height, width = image.shape[:2]
    shorter = round(size.height / CROP)
    new_width, new_height = (int(shorter * side / min(height, width)) for side in (width, height))
    resized = np.asarray(Pil.fromarray(image).resize((new_width, new_height), Pil.Resampling.BILINEAR))
    top, left = round((new_height - size.height) / 2), round((new_width - size.width) / 2)
    return resized[top : top + size.height, left : left + size.width]


def measure_time(image: Image, runs: int, side: int = 224) -> None:
    size, pillow = InputSpec(side, side), Pil.fromarray(image)
    ways: dict[str, Callable[[], object]] = {
        "Pillow's bilinear": lambda: pillow.resize((side, side), Pil.Resampling.BILINEAR)
    }
    for kind in (*KINDS, "antialias-cubic"):
        spec = PreprocessSpec("stretch", kind, 1.0, 0)
        ways[kind] = lambda spec=spec: fit(image, size, spec)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for run in range(runs + 1):
        for name, way in ways.items():
            begun = time.process_time()
            way()
            if run:  # the first one fills caches
                times[name].append((time.process_time() - begun) * 1e3)
    found = ", ".join(f"{name} {statistics.median(values):.2f} ms" for name, values in times.items())
    print(f"{image.shape[1]} x {image.shape[0]} to {side} x {side}: {found}")


if __name__ == "__main__":
    main()
