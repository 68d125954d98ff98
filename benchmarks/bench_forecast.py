"""How often the accuracy that `edgecnn teach` forecasts for 2 and 4 times the images is what comes of it.

    python benchmarks/bench_forecast.py MODEL.onnx DATA [--images 10 20 50] [--draws 20] [--each 300] [--known K]

DATA has one folder per class. In each draw, a classifier is taught with N images per class, which gives the forecast,
and then with 2 N and 4 N; its accuracy on all other images, the mean over the classes, is the truth. With `--known K`,
a model of the first K classes (100 images each) is there at first, and the other classes are added to it, so that they
may be held back for its sake; then the truth is the accuracy on the added classes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.image_folder import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.features.class_statistics import class_statistics
from edgecnn.manifest import Manifest
from edgecnn.progress import Silent
from edgecnn.runtime.session.opening import open_session
from edgecnn.teaching.head.fitting import FittedHead, fit_plan
from edgecnn.teaching.labelled_images import LabelledImages
from edgecnn.teaching.options import TeachOptions
from edgecnn.teaching.plan import plan_adding, plan_replacing
from edgecnn.teaching.validation.forecast import forecast

Features: TypeAlias = NDArray[np.float32]
_IMAGES_OF_KNOWN = 100


def main() -> None:
    """Prints one line for each number of images per class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 20, 50], help="per class")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--each", type=int, default=10**9, help="images of each class that are used")
    parser.add_argument("--known", type=int, default=0, help="classes that the model has before")
    parser.add_argument("--seed", type=int, default=0, help="of the first draw")
    given = parser.parse_args()
    task = Task.read(given.model, given.data, given.each)
    for images in given.images:
        draws = (task.shuffled(np.random.default_rng(given.seed + i)) for i in range(given.draws))
        found = np.array([_draw(draw, images, given.known) for draw in draws])  # [draws, 2 multiples, 5]
        inside = (found[..., 1] <= found[..., 3]) & (found[..., 3] <= found[..., 2])
        truth, error = found[..., 3].mean(0), (found[..., 0] - found[..., 3]).mean()
        print(
            f"{images} images per class: truth inside at 2 times {inside[:, 0].sum()}, at 4 times {inside[:, 1].sum()} "
            f"of {len(found)}; mean truth {truth[0]:.4f}, {truth[1]:.4f}; forecast minus truth {error:+.4f}; "
            f"mean width {(found[..., 2] - found[..., 1]).mean():.3f}; held back in {int(found[:, 0, 4].sum())}",
            flush=True,
        )


@dataclass(frozen=True, eq=False)
class Task:
    """Features of the images of each class."""

    manifest: Manifest
    names: tuple[str, ...]
    features: tuple[Features, ...]

    @classmethod
    def read(cls, model: Path, data: Path, each: int) -> Task:
        """Computes them with a model file."""
        session, folder = open_session(model, "cpu"), scan_folder(data)
        found = []
        for name in folder.class_names:
            paths = [image.path for image in folder.images if image.class_name == name][:each]
            batches = fitted_batches(paths, session.manifest, 16)
            embeddings = [session.outputs(batch.images, ("embedding",)).embedding for batch in batches]
            found.append(np.concatenate([rows for rows in embeddings if rows is not None]))
        return cls(session.manifest, folder.class_names, tuple(found))

    def shuffled(self, random: np.random.Generator) -> Task:
        """The images of each class in another order."""
        return replace(self, features=tuple(random.permutation(own) for own in self.features))


def _draw(task: Task, count: int, known: int) -> list[list[float]]:
    """For 2 and 4 times the images: forecast, its interval, the truth, and whether new classes were held back."""
    before = _taught(task, task.features[:known], _IMAGES_OF_KNOWN, None) if known else None
    labelled = task.features[known:]
    fitted = _taught(task, labelled, count, before)
    found = []
    for more, times in zip(forecast(fitted.curve, count), (2, 4), strict=True):
        head = _taught(task, labelled, count * times, before).head
        rest = [own[4 * count :] for own in labelled]
        truth = float(np.mean([(head.logits(own).argmax(1) == known + i).mean() for i, own in enumerate(rest)]))
        found.append([more.top1, *more.interval, truth, fitted.unbounded_top1 is not None])
    return found


def _taught(task: Task, features: Sequence[Features], count: int, before: FittedHead | None) -> FittedHead:
    """As `edgecnn teach` fits the first images of these classes: added to a model, or with --replace."""
    shown = [own[:count] for own in features]
    if before is None:
        plan = plan_replacing(Path(), task.names[: len(shown)], task.manifest, shown[0].shape[1])
        return fit_plan(plan, _labelled(task.names[: len(shown)], shown), None, TeachOptions(replace=True), Silent())
    known = len(before.head.bias)
    names = task.names[known:]
    plan = plan_adding(
        names, task.manifest.replace(labels=task.names[:known], ids=None, unknown=before.unknown.rule), before.head
    )
    kept = [own[:_IMAGES_OF_KNOWN] for own in task.features[:known]]
    statistics = class_statistics(np.concatenate(kept), np.repeat(np.arange(known), list(map(len, kept))), known)
    return fit_plan(plan, _labelled(names, shown), statistics, TeachOptions(), Silent())


def _labelled(names: Sequence[str], features: Sequence[Features]) -> LabelledImages:
    """Images of which no two are alike."""
    counts = [len(own) for own in features]
    apart, none = np.arange(sum(counts)), ("",) * sum(counts)
    return LabelledImages(
        paths=(Path(),) * sum(counts),
        names=tuple(name for name, count in zip(names, counts, strict=True) for _ in range(count)),
        digests=none,
        features=np.concatenate(features),
        probabilities=np.zeros((sum(counts), 0), np.float32),
        copies=apart,
        groups=apart,
        skipped=(),
        left_out=(),
        notes=(),
        thumbnails=(None,) * sum(counts),
    )


if __name__ == "__main__":
    main()
