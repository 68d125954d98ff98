"""Validation clips for the report: the worst mistakes, each with a frame, and probabilities over time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.errors import EdgeCNNError
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.training.report.content import Mistake, Timeline
from edgecnn.training.report.worst import MAX_MISTAKES
from edgecnn.training.temporal.clip_batches import clip_batch
from edgecnn.training.temporal.clip_data import ClipData, ClipSample
from edgecnn.training.temporal.clip_evaluation import ClipAnswers
from edgecnn.training.temporal.clip_learner import clip_embeddings
from edgecnn.training.temporal.network import ClipClassifier

__all__ = ["draw_timelines", "find_clip_mistakes"]

_MOST_CLASSES, _WORST = 12, 6  # most timelines: one for each class, and of the worst mistakes


def find_clip_mistakes(
    data: ClipData,
    found: ClipAnswers,
    probabilities: NDArray[np.float32],
    reader: ClipReader,
    *,
    every_step: bool,
) -> list[Mistake]:
    """The clips with a wrong answer, the most confident first; the first of them with a frame.

    Args:
        data: of the run.
        found: the answers on the validation clips.
        probabilities: ``[M, C]`` of the answers.
        reader: reads the frames again.
        every_step: show the frame of the wrong answer; otherwise the middle frame of the clip.
    """
    clips, answers = data.of("val"), probabilities.argmax(1)
    mistakes = []
    for place, i in enumerate(_worst_answers(found, probabilities)):
        sample = clips[int(found.clips[i])]
        step = int(found.steps[i]) if every_step else sample.steps // 2
        time_s = sample.start_s + step * data.rate.interval_s
        mistakes.append(
            Mistake(
                path=sample.path,
                truth=data.labels[int(found.truth[i])],
                answer=data.labels[int(answers[i])],
                score=float(probabilities[i].max()),
                frame=_frame_at(reader, sample.path, time_s) if place < MAX_MISTAKES else None,
            )
        )
    return mistakes


def draw_timelines(
    network: ClipClassifier,
    manifest: Manifest,
    data: ClipData,
    found: ClipAnswers,
    probabilities: NDArray[np.float32],
) -> list[Timeline]:
    """The probabilities at every step of one validation clip of each class, and of the worst mistakes.

    Args:
        network: in any mode; put into evaluation mode, and back afterwards.
        manifest: gives the normalization and the temperature.
        data: of the run.
        found: the answers on the validation clips.
        probabilities: ``[M, C]`` of the answers.
    """
    clips = data.of("val")
    first: dict[int, int] = {}
    for i, sample in enumerate(clips):
        first.setdefault(sample.label, i)
    worst = [int(found.clips[i]) for i in _worst_answers(found, probabilities)[:_WORST]]
    chosen = dict.fromkeys([first[label] for label in sorted(first)][:_MOST_CLASSES] + worst)
    return [_timeline(network, manifest, data, clips, i) for i in chosen]


def _worst_answers(found: ClipAnswers, probabilities: NDArray[np.float32]) -> list[int]:
    """The most confident wrong answer of each clip, the most confident first; indices of the answers."""
    confidence = probabilities.max(1)
    wrong = np.nonzero(probabilities.argmax(1) != found.truth)[0]
    seen: dict[int, int] = {}
    for i in sorted(wrong, key=lambda i: -confidence[i]):
        seen.setdefault(int(found.clips[i]), int(i))
    return list(seen.values())


def _timeline(network: ClipClassifier, manifest: Manifest, data: ClipData, clips: list[ClipSample], i: int) -> Timeline:
    training, device = network.training, next(network.parameters()).device
    network.eval()
    with torch.inference_mode():
        embeddings = clip_embeddings(network, clip_batch(data.store, clips, [i]), manifest.normalization, device)
        logits = network.at_every_step(embeddings)[0].float()  # [T, C]
    network.train(training)
    sample = clips[i]
    return Timeline(
        sample.path.name,
        data.labels[sample.label],
        sample.start_s + np.arange(sample.steps, dtype=np.float64) * data.rate.interval_s,
        logits.div(manifest.temperature).softmax(1).cpu().numpy(),
    )


def _frame_at(reader: ClipReader, clip: Path, time_s: float) -> Image | None:
    """The frame of the step at this time, uint8 ``[H, W, 3]`` RGB; None where it cannot be read any more."""
    found: Image | None = None
    try:
        for step in reader.steps(clip):
            if found is not None and step.time_s > time_s + reader.interval_s / 2:
                break
            found = step.row
    except (EdgeCNNError, OSError):
        return None
    return found
