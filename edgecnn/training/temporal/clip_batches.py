"""Batches of clips of different lengths, padded, for training and for validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecnn.preprocess import Image
from edgecnn.training.temporal.clip_data import ClipSample
from edgecnn.training.temporal.frame_labels import UNLABELLED
from edgecnn.training.temporal.step_store import StepStore

__all__ = ["ClipBatch", "clip_batch", "training_clip_batches"]

_SORTED_BATCHES = 8  # batches whose clips are sorted by length together, to keep the padding short
_MAX_SHIFT = 0.1  # fraction of a side: the largest shift; all frames of a clip are shifted alike
_MIN_WINDOW = 6  # steps; a shorter part of a clip shows too little
_MAX_LIGHT = 0.2  # brightness and contrast of a clip change by at most this fraction


@dataclass(frozen=True)
class ClipBatch:
    """Several clips; shorter ones are padded with zeros."""

    steps: NDArray[Any]  # pixels uint8 [N, T, H, W, 3] RGB, or embeddings float32 [N, T, D]
    targets: NDArray[np.int64]  # [N, T] class indices; UNLABELLED where nothing is learned, as in padding
    lengths: NDArray[np.int64]  # [N], steps of each clip
    weights: NDArray[np.float32]  # [N], of each clip's loss
    indices: NDArray[np.int64]  # [N], of the clips in the list of samples
    whole: int  # clips of the training step, over all processes


def clip_batch(
    store: StepStore, samples: Sequence[ClipSample], indices: Sequence[int], random: np.random.Generator | None = None
) -> ClipBatch:
    """Pads clips to the longest of them.

    Args:
        store: the steps of all clips.
        samples: the list of clips.
        indices: of the wanted clips in ``samples``.
        random: for the augmentation of pixels; None: no augmentation.
    """
    chosen = [samples[i] for i in indices]
    longest = max(sample.steps for sample in chosen)
    first = store.read(chosen[0].first, 1)
    steps = np.zeros((len(chosen), longest, *first.shape[1:]), first.dtype)
    targets = np.full((len(chosen), longest), UNLABELLED, np.int64)
    for row, sample in enumerate(chosen):
        found = store.read(sample.first, sample.steps)
        steps[row, : sample.steps] = found if random is None or found.ndim == 2 else _augmented(found, random)
        targets[row, : sample.steps] = sample.step_labels
    return ClipBatch(
        steps,
        targets,
        np.array([sample.steps for sample in chosen], np.int64),
        np.ones(len(chosen), np.float32),
        np.array(indices, np.int64),
        len(chosen),
    )


def training_clip_batches(
    store: StepStore,
    samples: Sequence[ClipSample],
    batch: int,
    seed: int,
    epoch: int,
    first: int = 0,
    *,
    windows: bool = False,
) -> Iterator[ClipBatch]:
    """Yields the batches of one epoch, shuffled. Clips of similar length share a batch.

    Order and augmentation depend on seed and epoch alone, so a resumed run gets the same batches.

    Args:
        store: the steps of all clips.
        samples: the training clips.
        batch: clips per batch.
        seed: of the run.
        epoch: its number.
        first: the first batch to yield.
        windows: take a random part of each clip, not the whole; useful where every step has a label. A movement may
            then start at any step after the state of zeros, as on a device, and clips are not recognized by their first
            frames.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(samples))
    seen = [_window(sample, random) for sample in samples] if windows else samples
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), batch * _SORTED_BATCHES):
        group = order[start : start + batch * _SORTED_BATCHES]
        by_length = group[np.argsort([seen[i].steps for i in group], kind="stable")]
        batches += [by_length[at : at + batch] for at in range(0, len(by_length), batch)]
    shuffled = [batches[i] for i in random.permutation(len(batches))]
    for at, indices in enumerate(shuffled[first:], first):
        yield clip_batch(store, seen, [int(i) for i in indices], np.random.default_rng((seed, epoch, at)))


def _window(sample: ClipSample, random: np.random.Generator) -> ClipSample:
    """A third to two thirds of a clip's steps. Nothing has changed yet at its first step, so that step has no label."""
    shortest = min(sample.steps, max(_MIN_WINDOW, sample.steps // 3))
    steps = int(random.integers(shortest, max(shortest, 2 * sample.steps // 3) + 1))
    begin = int(random.integers(sample.steps - steps + 1))
    labels = sample.step_labels[begin : begin + steps].copy()
    if steps > 1:
        labels[0] = UNLABELLED
    return replace(sample, first=sample.first + begin, steps=steps, step_labels=labels)


def _augmented(frames: Image, random: np.random.Generator) -> Image:
    """Shifts the frames ``[T, H, W, 3]`` of a clip and changes their brightness and contrast.

    All frames change alike, so that the motion stays the same.
    """
    height, width = frames.shape[1:3]
    across, down = random.uniform(-_MAX_SHIFT, _MAX_SHIFT, 2) * (width, height)
    move = np.array([[1, 0, across], [0, 1, down]], np.float32)
    gain, offset = 1 + random.uniform(-_MAX_LIGHT, _MAX_LIGHT), 255 * random.uniform(-_MAX_LIGHT, _MAX_LIGHT) / 2
    levels = np.clip(np.arange(256) * gain + offset, 0, 255).astype(np.uint8)
    return np.stack(
        [cv2.warpAffine(cv2.LUT(f, levels), move, (width, height), borderMode=cv2.BORDER_REFLECT_101) for f in frames]
    )
