"""What the network is to answer for each training image, how much it counts, and how often it is shown."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.preprocess import Image
from edgecnn.training.data.load import Sample, TrainingData
from edgecnn.training.data.pixel_cache import CachedImages

__all__ = ["Balance", "TrainingSet", "make_training_set", "read_soft_labels"]

Balance = Literal["none", "weights", "sampling"]
"""Against classes of unequal size: nothing, a loss that weighs the rare ones more, or showing them more often."""


@dataclass(frozen=True)
class TrainingSet:
    """Decoded training images with all that is known of them."""

    pixels: Image | CachedImages  # uint8 [N, H, W, 3] RGB
    labels: NDArray[np.int64]  # [N], the folder each lies in
    targets: NDArray[np.float32]  # [N, C], rows sum to 1
    weights: NDArray[np.float32]  # [N], of the loss; their mean is 1
    chances: NDArray[np.float64] | None = None  # [N], of being drawn; None: each once an epoch

    def __len__(self) -> int:
        return len(self.labels)

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """One epoch's images."""
        if self.chances is None:
            return random.permutation(len(self))
        return random.choice(len(self), len(self), p=self.chances)

    def head(self, count: int) -> TrainingSet:
        """The first images alone, each once, for timing."""
        return TrainingSet(self.pixels[:count], self.labels[:count], self.targets[:count], self.weights[:count])


def make_training_set(
    pixels: Image | CachedImages, data: TrainingData, balance: Balance, soft_labels: Path | None
) -> TrainingSet:
    """Raises as :func:`read_soft_labels`."""
    samples, classes = data.of("train"), len(data.labels)
    labels = np.array([s.label for s in samples], np.int64)
    targets = np.eye(classes, dtype=np.float32)[labels]
    if soft_labels is not None:
        found = read_soft_labels(soft_labels, data.labels)
        for i, target in _soften(samples, data, found, soft_labels):
            targets[i] = target
    share = 1 / (np.bincount(labels, minlength=classes)[labels] * classes)  # sums to 1: each class has the same part
    weights = (share * len(labels) if balance == "weights" else np.ones(len(labels))).astype(np.float32)
    return TrainingSet(
        pixels=pixels, labels=labels, targets=targets, weights=weights, chances=share if balance == "sampling" else None
    )


def read_soft_labels(path: Path, labels: Sequence[str]) -> dict[str, dict[int, float]]:
    """Reads ``path,label,probability`` rows.

    For each image (relative to the data folder) probabilities of some classes by index.

    Raises:
        InputNotFoundError: no such file.
        DataError: not such a table; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputNotFoundError(f"{path}: no such file; give a CSV with the columns path,label,probability") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}; save it as UTF-8 text"
        ) from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:  # a field beyond the reader's limit, or a NUL
        raise DataError(f"{path}: line {reader.line_num} is no row of a table: {error}; correct the table") from error
    missing = [name for name in ("path", "label", "probability") if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path}: no column '{missing[0]}' in its first line; expected path,label,probability")
    index = {label: i for i, label in enumerate(labels)}
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for line, row in rows:
        where = f"{path}: line {line}"
        if row["label"] not in index:
            raise DataError(f"{where}: the label '{row['label']}' is no class; there are {', '.join(labels[:8])}")
        probability = _probability(row["probability"], where)
        of_image = found[(row["path"] or "").replace("\\", "/")]
        of_image[index[row["label"]]] = probability
        if sum(of_image.values()) > 1 + 1e-6:
            raise DataError(f"{where}: the probabilities of {row['path']} add up to more than 1; correct them")
    return dict(found)


def _probability(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise DataError(f"{where}: the probability is '{text}', expected 0 to 1")
    return value


def _soften(
    samples: Sequence[Sample], data: TrainingData, found: dict[str, dict[int, float]], path: Path
) -> list[tuple[int, NDArray[np.float32]]]:
    """Targets of the images that the table names.

    What an image's rows leave of 1 goes to its folder's class, or, where a row speaks of that one, evenly to the
    classes that none speaks of.
    """
    place = {s.path.relative_to(data.root).as_posix(): i for i, s in enumerate(samples)}
    known = {s.path.relative_to(data.root).as_posix() for s in data.samples} | {
        Path(s.path).relative_to(data.root).as_posix() for s in data.skipped
    }
    lost = sorted(set(found) - known)
    if lost:
        raise DataError(
            f"{path}: {len(lost)} of {len(found)} images are not in {data.root}, the first is '{lost[0]}'; paths are "
            "relative to it"
        )
    result = []
    for name, rows in found.items():
        if name not in place:  # held out, or skipped: soft labels teach, they do not evaluate
            continue
        i = place[name]
        target = np.zeros(len(data.labels), np.float32)
        target[list(rows)] = list(rows.values())
        rest = max(0.0, 1.0 - sum(rows.values()))
        free = [c for c in range(len(data.labels)) if c not in rows]
        takers = [samples[i].label] if samples[i].label not in rows else free or list(rows)
        target[takers] += rest / len(takers)
        result.append((i, target / target.sum()))
    return result
