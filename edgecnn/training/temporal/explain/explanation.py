"""Explains the classification of one clip: images, and an index.html that shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.frame_rate import clip_rate, require_rate
from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.evaluation.explanation_page import Scored, open_out, write_plates
from edgecnn.preprocess import MAX_PIXELS, Image
from edgecnn.progress import Silent
from edgecnn.training.temporal.clip_backend import ClipBackend, open_any_checkpoint
from edgecnn.training.temporal.clip_data import MAX_STEPS
from edgecnn.training.temporal.explain.gates import record_memory
from edgecnn.training.temporal.explain.plates import clip_plates
from edgecnn.training.tensors import normalize

__all__ = ["ExplainedClip", "explain_clip"]


@dataclass(frozen=True)
class ExplainedClip:
    """The report of ``edgecnn explain`` for a clip."""

    checkpoint: str
    clip: str
    steps: int  # that were explained
    seconds: float  # time of the last of them
    label: str  # of the most probable class after the last step
    index: int
    score: float
    top: tuple[Scored, ...]
    out: str
    files: tuple[str, ...]


def explain_clip(
    checkpoint: Path,
    clip: Path,
    out: Path,
    classes: int = 3,
    fps: float | None = None,
    *,
    force: bool = False,
    say: Callable[[str], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ExplainedClip:
    """Writes images of what a recurrent network computes on one clip, and a page that shows them.

    A clip is explained up to its first gap in time, and up to step 200 at most.

    Args:
        checkpoint: of ``edgecnn train --temporal``.
        clip: a video, or a folder of frames.
        out: an empty or new folder.
        classes: how many of the most probable classes are shown over time.
        fps: frames per second of a folder of frames; None: the usual rate of the training clips.
        force: write into a folder that is not empty.
        say: told that the folder cannot be locked; None: nothing is said.
        max_pixels: of a frame; larger ones are refused.

    Raises:
        UsageError: ``classes`` or ``fps`` is too small, the folder is not empty, or the checkpoint classifies images.
        CheckpointError: the checkpoint cannot be read, or its network has no feature maps.
        InputNotFoundError, SourceError, ImageError, DataError: the clip cannot be read.
        OutputError: the folder cannot be written, or another process is writing into it.
    """
    if fps is not None:
        require_rate(fps)
    with open_out(out, classes, force=force, say=say or Silent().say):
        backend = open_any_checkpoint(checkpoint)
        if not isinstance(backend, ClipBackend):
            raise UsageError(f"{checkpoint}: classifies images; give one image")
        frames, times_s = _read(backend, clip, fps, max_pixels)
        return _explain(backend, clip, frames, times_s, out, classes)


def _explain(
    backend: ClipBackend, clip: Path, frames: Image, times_s: NDArray[np.float64], out: Path, classes: int
) -> ExplainedClip:
    manifest = backend.manifest
    memory = record_memory(backend.network, backend.embeddings(frames).to(next(backend.network.parameters()).device))
    with torch.inference_mode():
        logits = backend.network.classifier(memory.hidden)
        probabilities: NDArray[np.float32] = logits.div(manifest.temperature).softmax(1).cpu().numpy()
    best = [int(i) for i in (-probabilities[-1]).argsort(kind="stable")[:classes]]
    answers = [(i, manifest.labels[i], float(probabilities[-1, i])) for i in best]
    inputs = normalize(frames, manifest.normalization, next(backend.network.parameters()).device)
    plates = clip_plates(backend.network, memory, frames, inputs, times_s, probabilities, answers)
    parameters = sum(p.numel() for p in backend.network.parameters())
    about = (
        f"{clip.name}, {len(frames)} steps, by {backend.file}: {manifest.training.model} with a recurrent layer "
        f"({backend.network.kind.upper()}, {backend.network.hidden} units), {parameters:,} numbers that were learned."
    )
    return ExplainedClip(
        checkpoint=backend.file,
        clip=str(clip),
        steps=len(frames),
        seconds=round(float(times_s[-1]), 3),
        label=answers[0][1],
        index=best[0],
        score=answers[0][2],
        top=tuple(Scored(label, score) for _, label, score in answers),
        out=str(out),
        files=write_plates(out, plates, answers, about, _SCORES),
    )


def _read(backend: ClipBackend, clip: Path, fps: float | None, max_pixels: int) -> tuple[Image, NDArray[np.float64]]:
    """The frames of the steps ``[T, H, W, 3]`` RGB, and their times ``[T]`` in seconds."""
    if not clip.exists():
        raise InputNotFoundError(f"{clip}: no such video or folder of frames; check the path")
    manifest = backend.manifest
    spec = manifest.temporal
    assert spec is not None
    rate = clip_rate(manifest, fps)
    reader = ClipReader(manifest.input, manifest.preprocess, spec.frame_interval_s, rate, max_pixels)
    rows: list[Image] = []
    times: list[float] = []
    for step in reader.steps(clip):
        if rows and (step.begins or len(rows) >= MAX_STEPS):
            break
        rows += [step.row] * step.count
        times += [step.time_s] * step.count
    return np.stack(rows[:MAX_STEPS]), np.array(times[:MAX_STEPS])


_SCORES = (
    "These are the probabilities after the last step; those of all classes add up to 1. The images below show how they "
    "are computed, from the first frame to the last."
)
