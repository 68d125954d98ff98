"""Compares the expected accuracy, which needs no labels, with the truth: on held-out images as they are and disturbed.

    python benchmarks/bench_expected_accuracy.py MODEL --data HELD_OUT [--other FOLDER] [--foreign FOLDER]

HELD_OUT has one folder per class, with images that the model was not taught. OTHER has the same classes from another
collection, FOREIGN shows none of the classes. Frames are drawn at random; each draw is given to what `edgecnn doctor
MODEL --frames` uses, and its interval is compared with the share of right answers among the drawn frames. The table is
in Markdown.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.data.dataset import find_images
from edgecnn.evaluation.expected_accuracy import AccuracyReference, ExpectedAccuracy, expected_accuracy
from edgecnn.evaluation.recent_scenes import RecentScenes
from edgecnn.features.class_statistics import ClassStatistics
from edgecnn.image.scene_signature import scene_signature
from edgecnn.preprocess import Image, fit, read_image
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session

SIDE = 480  # pixels of the shorter side before the disturbance: cameras have no more detail for a network of 224
RANDOM = np.random.default_rng(0)


def clipped(image: NDArray[np.floating]) -> Image:
    return np.clip(image, 0, 255).astype(np.uint8)


def noise(image: Image, deviation: float) -> Image:
    return clipped(image + RANDOM.normal(0, deviation, image.shape))


def blur(image: Image, pixels_of_224: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), pixels_of_224 * min(image.shape[:2]) / 224), np.uint8)


def motion(image: Image, pixels_of_224: float) -> Image:
    length = max(3, int(pixels_of_224 * min(image.shape[:2]) / 224))
    return np.asarray(cv2.filter2D(image, -1, np.full((1, length), 1 / length, np.float32)), np.uint8)


def jpeg(image: Image, quality: int) -> Image:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [1, quality])[1], 1), np.uint8)


def zoom(image: Image, factor: float) -> Image:
    height, width = image.shape[:2]
    top, left = int(height * (1 - 1 / factor) / 2), int(width * (1 - 1 / factor) / 2)
    return np.ascontiguousarray(image[top : height - top, left : width - left])


def half_hidden(image: Image) -> Image:
    hidden = image.copy()
    hidden[:, : image.shape[1] // 2] = 30
    return hidden


DISTURBANCES: Mapping[str, Callable[[Image], Image]] = {
    "clean": lambda i: i,
    "brightness x 0.5": lambda i: clipped(i * 0.5),
    "brightness x 0.3": lambda i: clipped(i * 0.3),
    "brightness x 0.1": lambda i: clipped(i * 0.1),
    "blur, 1 pixel of 224": lambda i: blur(i, 1),
    "blur, 3 pixels": lambda i: blur(i, 3),
    "blur, 8 pixels": lambda i: blur(i, 8),
    "motion blur, 15 pixels": lambda i: motion(i, 15),
    "shifted by a third": lambda i: np.roll(i, i.shape[1] // 3, 1),
    "upside down": lambda i: np.ascontiguousarray(i[::-1]),
    "zoomed in, x 3": lambda i: zoom(i, 3),
    "left half hidden": half_hidden,
    "noise, 15 levels": lambda i: noise(i, 15),
    "noise, 40 levels": lambda i: noise(i, 40),
    "blue light": lambda i: clipped(i * np.array([0.3, 0.5, 1])),
    "grey": lambda i: np.repeat(i.mean(2, keepdims=True).astype(np.uint8), 3, 2),
    "fog": lambda i: clipped(i * 0.4 + 140),
    "JPEG, quality 5": lambda i: jpeg(i, 5),
    "dim, blurred, noisy, JPEG": lambda i: jpeg(noise(blur(clipped(i * 0.35), 1), 8), 40),
}


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to N images, and whether they are right."""

    signatures: NDArray[np.uint8]
    probabilities: NDArray[np.float32]
    unknown_scores: NDArray[np.float32] | None
    features: NDArray[np.float32] | None
    right: NDArray[np.bool_]
    truth: NDArray[np.intp]

    def of(self, chosen: NDArray[np.intp]) -> Answers:
        """Those to some of the images."""
        parts = (self.unknown_scores, self.features)
        scores, features = (None if part is None else part[chosen] for part in parts)
        return Answers(
            self.signatures[chosen],
            self.probabilities[chosen],
            scores,
            features,
            self.right[chosen],
            self.truth[chosen],
        )


@dataclass(frozen=True)
class Row:
    """What draws of one number of frames from one condition gave."""

    covered: float
    alarms: float
    missed: float  # neither covered nor alarmed
    width: float  # median of the intervals


def main() -> None:
    options = arguments()
    session = open_session(options.model, "cpu", 1)
    text = session.description.classes_json
    statistics = None if text is None else ClassStatistics.from_json(text)
    reference = AccuracyReference.of(session.manifest, statistics)
    counts = " / ".join(map(str, options.frames))
    print(f"\n`{options.model.name}`, with {counts} frames\n")
    print("| frames | top-1 | mean probability | unknown | covered | alarm | neither | width |")
    print("| --- |" + " ---: |" * 7)
    for name, answers in conditions(session, options):
        confidence = float(answers.probabilities.max(1).mean())
        whole = estimate(session, reference, answers)
        unknown = "" if whole.unknown_share is None else f"{whole.unknown_share:.3f}"
        cells = [f"{answers.right.mean():.3f}", f"{confidence:.3f}", unknown]
        rows = [
            drawn(session, reference, answers, count, options.draws) if count <= len(answers.right) else None
            for count in options.frames
        ]
        cells += [shares([None if row is None else row.covered for row in rows])]
        cells += [shares([None if row is None else row.alarms for row in rows])]
        cells += [shares([None if row is None else row.missed for row in rows])]
        cells += [" / ".join("" if row is None else f"{row.width:.2f}" for row in rows)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def shares(values: Sequence[float | None]) -> str:
    return " / ".join("" if value is None else f"{100 * value:.0f}" for value in values) + " %"


def conditions(session: ModelSession, options: argparse.Namespace) -> Iterator[tuple[str, Answers]]:
    images, truth = labelled(options.data, session, options.images)
    clean: Answers | None = None
    for name, disturb in DISTURBANCES.items():
        answers = answer(session, images, truth, disturb)
        clean = clean or answers
        yield name, answers
    assert clean is not None
    for label in np.unique(clean.truth)[:2]:
        yield f"only '{session.manifest.labels[label]}'", clean.of(np.nonzero(clean.truth == label)[0])
    if options.other is not None:
        yield "another collection", answer(session, *labelled(options.other, session, options.images))
    if options.foreign is not None:
        shown = [small(path) for path in spread(find_images(options.foreign), options.images // 2)]
        yield "none of the classes", answer(session, shown, [-1] * len(shown))


def drawn(session: ModelSession, reference: AccuracyReference, answers: Answers, count: int, draws: int) -> Row:
    random = np.random.default_rng(count)
    covered, alarms, missed, widths = 0, 0, 0, []
    for _ in range(draws):
        chosen = answers.of(random.choice(len(answers.right), count, replace=False))
        found = estimate(session, reference, chosen)
        if found.interval is None:
            continue
        low, high = found.interval
        inside = low - 1e-9 <= float(chosen.right.mean()) <= high + 1e-9
        covered += inside
        alarms += bool(found.alarm)
        missed += not (inside or found.alarm)
        widths.append(high - low)
    return Row(covered / draws, alarms / draws, missed / draws, float(np.median(widths)) if widths else 1.0)


def estimate(session: ModelSession, reference: AccuracyReference, answers: Answers) -> ExpectedAccuracy:
    scenes = RecentScenes(session.manifest.unknown, reference, most=len(answers.right))
    for i, probabilities in enumerate(answers.probabilities):
        scenes.add(
            answers.signatures[i],
            probabilities,
            None if answers.unknown_scores is None else float(answers.unknown_scores[i]),
            None if answers.features is None else answers.features[i],
        )
    return expected_accuracy(scenes.evidence, reference)


def answer(
    session: ModelSession,
    images: Sequence[Image],
    truth: Sequence[int],
    disturb: Callable[[Image], Image] = lambda i: i,
) -> Answers:
    size, spec = session.manifest.input, session.manifest.preprocess
    disturbed = [disturb(image) for image in images]
    outputs = [
        session.outputs(np.stack([fit(image, size, spec) for image in disturbed[i : i + 16]]))
        for i in range(0, len(disturbed), 16)
    ]
    probabilities = np.concatenate([o.probabilities for o in outputs])
    return Answers(
        np.stack([scene_signature(image) for image in disturbed]),
        probabilities,
        joined([o.unknown_scores for o in outputs]),
        joined([o.embedding for o in outputs]),
        probabilities.argmax(1) == np.array(truth),
        np.array(truth, np.intp),
    )


def joined(parts: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def labelled(root: Path, session: ModelSession, count: int) -> tuple[list[Image], list[int]]:
    """As many images of each class that the model knows."""
    folders = [(f, session.manifest.index_of(f.name)) for f in sorted(root.iterdir()) if f.is_dir()]
    known = [(folder, index) for folder, index in folders if index is not None]
    found = [(p, i) for folder, i in known for p in spread(find_images(folder), max(1, count // len(known)))]
    return [small(path) for path, _ in found], [index for _, index in found]


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    order = np.random.default_rng(0).permutation(len(paths))[:count]
    return [paths[i] for i in sorted(order)]


def small(path: Path) -> Image:
    image = read_image(path)
    factor = SIDE / min(image.shape[:2])
    if factor >= 1:
        return image
    size = round(image.shape[1] * factor), round(image.shape[0] * factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--foreign", type=Path)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--frames", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--draws", type=int, default=100)
    return parser.parse_args()


if __name__ == "__main__":
    main()
