"""Batches of augmented images, made ahead in threads while the network computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.image_size import ImageSize, height_width
from edgecnn.preprocess import Image
from edgecnn.training.data.augment import Augmentation, augment
from edgecnn.training.data.mixup import mix
from edgecnn.training.data.soft_labels import TrainingSet
from edgecnn.training.optim.distributed import ALONE, World

__all__ = ["TrainingBatch", "steps_an_epoch", "training_batches"]

_MIXING = 1  # sets its random numbers apart from those of an image
_AHEAD = 2  # batches made while one is being computed: two, so that a slow one does not stop the network


@dataclass(frozen=True)
class TrainingBatch:
    """One process's part of a step."""

    images: Image  # uint8 [N, H, W, 3] RGB
    targets: NDArray[np.float32]  # [N, C], rows sum to 1
    weights: NDArray[np.float32]  # [N], of each image's loss
    indices: NDArray[np.int64]  # [N], places in the training set
    whole: int  # images of the step over all processes


def steps_an_epoch(images: int, batch: int, processes: int = 1) -> int:
    """A last batch is left out where a process would get one image of it or none.

    Batch normalization cannot estimate from one image where the network has shrunk it to one pixel. Images are in
    another order each epoch, so each is left out seldom.
    """
    full, rest = divmod(images, batch)
    return max(1, full + (1 if rest >= 2 * processes else 0))


def training_batches(
    training_set: TrainingSet,
    size: ImageSize,
    batch: int,
    rule: Augmentation,
    seed: int,
    epoch: int,
    *,
    first: int = 0,
    workers: int = 1,
    world: World = ALONE,
) -> Iterator[TrainingBatch]:
    """One epoch, shuffled, from step ``first`` on.

    Order and augmentation depend on seed, epoch and place in the order alone, so a resumed run sees the same. Mixing
    also depends on how many processes share a step: each mixes its own part.

    Args:
        training_set: what to train on.
        size: of the batch's images, in pixels.
        batch: images a step, over all processes; each takes every so-manieth.
        rule: what happens to the images.
        seed, epoch: of the order and the augmentation; epochs below zero are views of frozen features.
        first: the step to begin with.
        workers: threads that augment.
        world: the processes that share each step.
    """
    key = epoch % 2**32
    height, width = height_width(size)
    order = training_set.order(np.random.default_rng((seed, key)))
    steps = _steps(len(order), batch, first, world)

    def one(place: int) -> Image:
        return augment(
            training_set.pixels[order[place]], height, width, rule, np.random.default_rng((seed, key, place))
        )

    with ThreadPoolExecutor(workers) as pool, _one_opencv_thread():
        waiting: deque[tuple[int, list[int], list[Future[Image]]]] = deque()

        def begin_one() -> None:
            if (step := next(steps, None)) is not None:
                whole, places = step
                waiting.append((whole, places, [pool.submit(one, place) for place in places]))

        for _ in range(_AHEAD):
            begin_one()
        while waiting:
            whole, places, made = waiting.popleft()
            begin_one()
            indices = order[places]
            images = np.stack([image.result() for image in made])
            images, targets = mix(
                images, training_set.targets[indices], rule, np.random.default_rng((seed, key, _MIXING, places[0]))
            )
            yield TrainingBatch(
                images=images, targets=targets, weights=training_set.weights[indices], indices=indices, whole=whole
            )


def _steps(images: int, batch: int, first: int, world: World) -> Iterator[tuple[int, list[int]]]:
    """Yields of each step the number of its images, and the places of this process's part in the order."""
    for step in range(first, steps_an_epoch(images, batch, world.size)):
        start = step * batch
        whole = min(batch, images - start)
        yield whole, list(range(start, start + whole))[world.rank :: world.size]


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Images are augmented side by side already; OpenCV's own threads would only push the network's off their cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
