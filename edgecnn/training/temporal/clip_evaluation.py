"""Runs a recurrent network on clips and takes its answers at their last step, or at every labelled step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgecnn.manifest import Manifest
from edgecnn.training.temporal.clip_batches import clip_batch
from edgecnn.training.temporal.clip_data import ClipSample
from edgecnn.training.temporal.clip_learner import clip_embeddings
from edgecnn.training.temporal.frame_labels import UNLABELLED
from edgecnn.training.temporal.network import ClipClassifier
from edgecnn.training.temporal.step_store import StepStore

__all__ = ["ClipAnswers", "answer_clips"]


@dataclass(frozen=True)
class ClipAnswers:
    """Answers at M steps of clips."""

    logits: NDArray[np.float32]  # [M, C]
    hidden: Tensor  # [M, H] hidden states, from which the logits are computed
    truth: NDArray[np.int64]  # [M] class indices
    clips: NDArray[np.int64]  # [M], index of the clip in the list of samples
    steps: NDArray[np.int64]  # [M], index of the step within its clip


def answer_clips(
    network: ClipClassifier,
    manifest: Manifest,
    store: StepStore,
    samples: Sequence[ClipSample],
    batch: int,
    *,
    every_step: bool,
) -> ClipAnswers:
    """Evaluates clips in 32-bit floats.

    Args:
        network: in any mode; put into evaluation mode, and back afterwards.
        manifest: gives the normalization.
        store: the steps of all clips.
        samples: the clips.
        batch: clips per batch.
        every_step: answer at every labelled step; otherwise at the last step of each clip.
    """
    training, device = network.training, next(network.parameters()).device
    network.eval()
    found: list[tuple[Tensor, Tensor, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    with torch.inference_mode():
        for start in range(0, len(samples), batch):
            indices = list(range(start, min(start + batch, len(samples))))
            clips = clip_batch(store, samples, indices)
            states = network.hidden_states(clip_embeddings(network, clips, manifest.normalization, device))
            rows, steps = _wanted(clips.targets, clips.lengths, every_step=every_step)
            hidden = states[torch.from_numpy(rows), torch.from_numpy(steps)]
            truth = clips.targets[rows, steps] if every_step else np.array([samples[i].label for i in indices])
            found.append((network.classifier(hidden).cpu(), hidden.float().cpu(), truth, clips.indices[rows], steps))
    network.train(training)
    logits, hidden_states, truths, places, steps_of = zip(*found, strict=True)
    return ClipAnswers(
        cast("NDArray[np.float32]", torch.cat(logits).float().numpy()),
        torch.cat(hidden_states),
        np.concatenate(truths),
        np.concatenate(places),
        np.concatenate(steps_of),
    )


def _wanted(
    targets: NDArray[np.int64], lengths: NDArray[np.int64], *, every_step: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and steps of the wanted answers."""
    if not every_step:
        return np.arange(len(lengths)), lengths - 1
    rows, steps = np.nonzero(targets != UNLABELLED)
    return rows, steps
