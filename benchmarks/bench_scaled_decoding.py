#!/usr/bin/env python
"""What decoding JPEGs smaller costs in answers and saves in time, for several margins between decoding and resize.

python benchmarks/bench_scaled_decoding.py MODEL DATA [--megapixels 12] [--most 200]

DATA holds one folder a class, named as the model's labels or ids. Images are used as they are, or enlarged to so many
megapixels and written as JPEG of quality 92. Times: processor time of one thread, decode and resize, medians over the
images, the ways in turn on each image.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from edgecnn import preprocess as preprocessing
from edgecnn.data.image_folder import find_images
from edgecnn.manifest import ModelInput
from edgecnn.preprocess import Image, decode_for, fit_decoded, read_image
from edgecnn.runtime.session.opening import open_session

WAYS = (None, 1.0, 1.5, 2.0)  # times what the resize makes, which is left; None: decoded whole
QUALITY = 92


@dataclass
class Way:
    """One margin, and what was found with it."""

    margin: float | None
    decode_ms: list[float] = field(default_factory=list)
    fit_ms: list[float] = field(default_factory=list)
    rows: list[Image] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--megapixels", type=float)
    parser.add_argument("--most", type=int, default=200)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    session = open_session(asked.model, "cpu")
    paths = find_images(asked.data)
    paths = paths[:: max(1, len(paths) // asked.most)]
    ways = [Way(margin) for margin in WAYS]
    for path in paths:
        content = path.read_bytes() if asked.megapixels is None else enlarged(path, asked.megapixels)
        for way in ways:
            see(way, content, session.manifest.model_input)
    truth = [session.manifest.index_of(path.parent.name) for path in paths]
    report(ways, [session.probabilities(np.stack(way.rows)) for way in ways], truth)


def enlarged(path: Path, megapixels: float) -> bytes:
    image = read_image(path)
    height, width = image.shape[:2]
    factor = (megapixels * 1e6 / (height * width)) ** 0.5
    large = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_CUBIC)
    options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(large, cv2.COLOR_RGB2BGR), options)[1].tobytes()


def see(way: Way, content: bytes, model: ModelInput) -> None:
    """Decodes and resizes with one margin."""
    kind = "full" if way.margin is None else "scaled"
    wanted = replace(model, preprocess=replace(model.preprocess, decode=kind))
    preprocessing._LEAST = way.margin or 1.0  # noqa: SLF001  # nobody else may choose it
    begin = time.process_time()
    decoded = decode_for(content, wanted)
    middle = time.process_time()
    way.rows.append(fit_decoded(decoded, wanted))
    way.decode_ms.append((middle - begin) * 1e3)
    way.fit_ms.append((time.process_time() - middle) * 1e3)


def report(ways: Sequence[Way], probabilities: Sequence[np.ndarray], truth: Sequence[int | None]) -> None:
    known = [i for i, label in enumerate(truth) if label is not None]
    labels = np.array([truth[i] for i in known])
    whole, answers = ways[0], probabilities[0].argmax(1)
    for way, found in zip(ways, probabilities, strict=True):
        apart = np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(way.rows, whole.rows, strict=True)])
        name = "whole" if way.margin is None else f"at least {way.margin:g} x"
        print(
            f"{name}: decode {np.median(way.decode_ms):.1f} ms, "
            f"resize {np.median(way.fit_ms):.1f} ms, {apart:.2f} levels apart, equal answers "
            f"{(found.argmax(1) == answers).mean():.2%}, top-1 {(found[known].argmax(1) == labels).mean():.2%} of "
            f"{len(known)} images"
        )


if __name__ == "__main__":
    main()
