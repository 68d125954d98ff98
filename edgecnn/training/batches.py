"""Batches of augmented pictures, made ahead in a thread while the network computes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.training.augment import Augmentation, augment

__all__ = ["TrainingBatch", "training_batches"]


@dataclass(frozen=True)
class TrainingBatch:
    """Pictures, uint8 ``[N, H, W, 3]`` RGB, their labels ``[N]`` and their places in the training set ``[N]``."""

    images: Image
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]


def training_batches(
    pictures: Image, labels: Sequence[int], size: int, batch: int, rule: Augmentation, seed: int, epoch: int
) -> Iterator[TrainingBatch]:
    """One epoch, shuffled. Order and augmentation depend on seed, epoch and picture alone, so a resumed run sees the same.

    A last batch of one picture is left out: batch-norm cannot estimate from it.
    """
    key = epoch % 2**32  # epochs below zero are views of frozen features
    order = np.random.default_rng((seed, key)).permutation(len(pictures))
    truth = np.asarray(labels, np.int64)
    chunks = [order[i : i + batch] for i in range(0, len(order), batch)]
    if len(chunks) > 1 and len(chunks[-1]) == 1 < batch:
        chunks.pop()

    def make(indices: NDArray[np.int64]) -> TrainingBatch:
        images = [augment(pictures[i], size, size, rule, np.random.default_rng((seed, key, int(i)))) for i in indices]
        return TrainingBatch(np.stack(images), truth[indices], indices)

    with ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(make, chunks[0])
        for following in chunks[1:]:
            ready, upcoming = upcoming, ahead.submit(make, following)
            yield ready.result()
        yield upcoming.result()
