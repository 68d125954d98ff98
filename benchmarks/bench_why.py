#!/usr/bin/env python
"""What an explanation costs, and whether the record of taught images finds those that all features find.

Prints the size of the record with and without thumbnails, the share of images whose most similar taught image (by all
features) is the first found, and among the first five, and the times of one explanation on one thread.

python benchmarks/bench_why.py MODEL.onnx DATA [--taught 200 1000] [--asked 300]
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgecnn.data.dataset import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.features.taught_images import TaughtImage, TaughtImages
from edgecnn.preprocess import read_image
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.session.run_options import RunOptions
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.why.explanation import open_explainer
from edgecnn.teaching.thumbnails import encode_thumbnail

_SHOWN = 5
_RUNS = 30


def main() -> None:
    """Prints a row for each number of taught images, and the times."""
    asked = _arguments()
    classifier = Classifier(asked.model, ep="cpu", options=RunOptions(threads=1))
    images, features = _read(asked.data, classifier)
    order = np.random.default_rng(asked.seed).permutation(len(images))
    queries = features[order[-asked.asked :]]
    table = Table("taught", "record KB", "with thumbnails KB", "first is the same", "among five", "of the first five")
    for count in asked.taught:
        chosen = order[: min(count, len(order) - asked.asked)]
        plain = _record([images[i] for i in chosen], features[chosen], thumbnails=False)
        shown = _record([images[i] for i in chosen], features[chosen], thumbnails=True)
        sizes = [f"{len(record.to_json().encode()) / 1e3:.0f}" for record in (plain, shown)]
        table.add_row(str(len(chosen)), *sizes, *_agreement(plain, features[chosen], queries))
    Console().print(table)
    _print_times(classifier, images[0][0])


def _read(data: Path, classifier: Classifier) -> tuple[list[tuple[Path, str]], NDArray[np.float32]]:
    files = [file for file in scan_folder(data).images if file.class_name is not None]
    found, features = [], []
    for batch in fitted_batches([file.path for file in files], classifier.manifest, 16):
        embedding = classifier.session.outputs(batch.images, ("embedding",)).embedding
        assert embedding is not None, "the model has no embedding"
        features.append(embedding)
        assert not batch.skipped, batch.skipped
    found = [(file.path, file.class_name or "") for file in files]
    return found, np.concatenate(features)


def _record(images: list[tuple[Path, str]], features: NDArray[np.float32], *, thumbnails: bool) -> TaughtImages:
    named = [
        TaughtImage(label, path.name, f"{i:016x}", encode_thumbnail(read_image(path)) if thumbnails else None)
        for i, (path, label) in enumerate(images)
    ]
    record = TaughtImages.of(named, features)
    assert record is not None
    return TaughtImages.from_json(record.to_json())


def _agreement(record: TaughtImages, taught: NDArray[np.float32], queries: NDArray[np.float32]) -> list[str]:
    unit = taught / np.linalg.norm(taught, axis=1, keepdims=True)
    numbers = {image.digest: i for i, image in enumerate(record.images)}
    first, among, shared = [], [], []
    for query in queries:
        best = np.argsort(-(unit @ query), kind="stable")[:_SHOWN]
        found = [numbers[similar.image.digest] for similar in record.nearest(query, _SHOWN)]
        first.append(found[0] == best[0])
        among.append(best[0] in found)
        shared.append(len(set(found) & set(best.tolist())) / _SHOWN)
    return [f"{np.mean(shares):.3f}" for shares in (first, among, shared)]


def _print_times(classifier: Classifier, path: Path) -> None:
    frame = Frame(read_image(path), path.name, color="rgb")
    opened, explained, predicted = [], [], []
    for _ in range(5):
        start_s = time.process_time()
        explainer = open_explainer(classifier)
        opened.append((time.process_time() - start_s) * 1e3)
    for _ in range(_RUNS):  # in turn
        start_s = time.process_time()
        explainer.explain(frame)
        middle_s = time.process_time()
        classifier.answer([frame])
        explained.append((middle_s - start_s) * 1e3)
        predicted.append((time.process_time() - middle_s) * 1e3)
    print(
        f"opened in {statistics.median(opened):.0f} ms, one explanation {statistics.median(explained):.1f} ms, one "
        f"prediction {statistics.median(predicted):.1f} ms (medians, processor time)"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, help="folder of images, one folder per class")
    parser.add_argument("--taught", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--asked", type=int, default=300, help="images that are not taught")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
