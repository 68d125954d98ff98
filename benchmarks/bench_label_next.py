"""How much more a model learns from images that `edgecnn teach --unlabelled` names than from images chosen by chance.

    python benchmarks/bench_label_next.py MODEL.onnx DATA [--start 10] [--draws 10] [--seed N] [--each 300] [--side N]

DATA has one folder per class. In each draw, half of the images are for evaluation. A classifier is fitted on `--start`
images per class; then 20 and 50 more get their label, chosen by `choose_next` or by chance, and it is fitted again.
`--side N` shrinks each image to N x N pixels first, as a far camera would see it: a harder task.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data.image_folder import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.features.linear_head import HeadExamples, LinearHead, log_softmax
from edgecnn.preprocess import Image
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching.label_next import Candidates, choose_next
from edgecnn.teaching.validation.cross_validation import cross_validate
from edgecnn.teaching.validation.folded_images import FoldedImages
from edgecnn.teaching.validation.folds import FOLDS, assign_folds

Features, Truth = NDArray[np.float32], NDArray[np.intp]
_COUNTS = (20, 50)


def main() -> None:
    """Prints the accuracies, and the mean difference with its standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--start", type=int, default=10, help="images per class with a label at the beginning")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first draw; the next ones follow")
    parser.add_argument("--each", type=int, default=10**9, help="images of each class that are used")
    parser.add_argument("--side", type=int, help="shrink the images to this size first")
    given = parser.parse_args()
    features, truth = _embedded(given.model, given.data, given.each, given.side)
    seeds = range(given.seed, given.seed + given.draws)
    found = np.array([_draw(features, truth, given.start, seed) for seed in seeds])  # [draws, 1 + 2 * 2]
    print(f"{len(truth):,} images, {truth.max() + 1} classes; {given.start} per class: {found[:, 0].mean():.4f}")
    for i, count in enumerate(_COUNTS):
        named, chance = found[:, 1 + 2 * i], found[:, 2 + 2 * i]
        gain = named - chance
        print(
            f"{count} more: named {named.mean():.4f}, by chance {chance.mean():.4f}, difference {gain.mean():+.4f} "
            f"(standard error {gain.std(ddof=1) / len(gain) ** 0.5:.4f}), better in {(gain > 0).sum()} of {len(gain)}"
        )


def _embedded(model: Path, data: Path, each: int, side: int | None) -> tuple[Features, Truth]:
    session, folder = open_session(model, "cpu"), scan_folder(data)
    paths, truth = [], []
    for label, name in enumerate(folder.class_names):
        own = [image.path for image in folder.images if image.class_name == name][:each]
        paths += own
        truth += [label] * len(own)
    features, kept = [], []
    for batch in fitted_batches(paths, session.manifest, 16):
        images = batch.images if side is None else np.stack([_small(image, side) for image in batch.images])
        embedding = session.outputs(images, ("embedding",)).embedding
        assert embedding is not None, "the model has no embedding"
        features.append(embedding)
        kept += batch.indices
    return np.concatenate(features), np.array(truth)[kept]


def _small(image: Image, side: int) -> Image:
    shrunk = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def _draw(features: Features, truth: Truth, start: int, seed: int) -> list[float]:
    random = np.random.default_rng(seed)
    order = random.permutation(len(truth))
    test, rest = order[: len(order) // 2], order[len(order) // 2 :]
    known = np.concatenate([rest[truth[rest] == label][:start] for label in range(truth.max() + 1)])
    pool = np.setdiff1d(rest, known)
    head = _fitted(features[known], truth[known])
    likely = np.exp(log_softmax(head.logits(features[pool])))
    candidates = Candidates(features[pool], likely, [""] * len(pool))

    def accuracy(more: NDArray[np.intp]) -> float:
        learned = np.concatenate([known, more])
        answers = _fitted(features[learned], truth[learned]).logits(features[test]).argmax(1)
        return float((answers == truth[test]).mean())

    found = [float((head.logits(features[test]).argmax(1) == truth[test]).mean())]
    for count in _COUNTS:
        named = [chosen.index for chosen in choose_next(candidates, features[known], count, seed)]
        found += [accuracy(pool[named]), accuracy(random.permutation(pool)[:count])]
    return found


def _fitted(features: Features, truth: Truth) -> LinearHead:
    """As `edgecnn teach --replace` fits it."""
    classes = int(truth.max()) + 1
    sizes = np.bincount(truth, minlength=classes)
    weights = 1 / sizes[truth]
    examples = HeadExamples(features, truth, weights / weights.sum() * len(truth))
    start, free = LinearHead(np.zeros((classes, features.shape[1])), np.zeros(classes)), np.ones(classes, np.bool_)
    folds = assign_folds(truth.tolist(), list(range(len(truth))), 0, min(FOLDS, int(sizes.min())))
    folded = FoldedImages(start, free, examples, folds, np.arange(len(truth)))
    return folded.fit_on_all().fit(cross_validate(folded).penalty)


if __name__ == "__main__":
    main()
