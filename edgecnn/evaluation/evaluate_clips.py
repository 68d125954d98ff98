"""Evaluates a recurrent model on labelled clips. The same code serves checkpoints and step files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.eval_clips import select_eval_clips
from edgecnn.data.clips.frame_rate import clip_rate, note_on_rate
from edgecnn.data.held_out import EvalSplit
from edgecnn.data.loading import Skipped
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import DataError, ImageError, InputNotFoundError, SourceError
from edgecnn.evaluation.evaluate import DatasetPredictions, ValResult
from edgecnn.evaluation.step_model import StepModel, Stepper, StepResult
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Progress

__all__ = [
    "ClipPredictions",
    "classify_clip",
    "clip_reader",
    "read_clips",
    "validate_clips",
]


@dataclass(frozen=True, kw_only=True)
class ClipPredictions(DatasetPredictions):
    """The outputs of a model at the end of N readable clips, and the clips that could not be read."""

    steps: NDArray[np.float32]  # [M, C] probabilities after each step of all clips, one clip after the other


def clip_reader(manifest: Manifest, fps: float | None, max_pixels: int = MAX_PIXELS) -> ClipReader:
    """A reader of clips with the model's input size, preprocessing and time between steps.

    Args:
        manifest: of a recurrent model.
        fps: frames per second of folders of frames; None: that of the training clips.
        max_pixels: of a frame; larger ones are refused.
    """
    assert manifest.temporal is not None
    interval_s = manifest.temporal.frame_interval_s
    return ClipReader(manifest.input, manifest.preprocess, interval_s, clip_rate(manifest, fps), max_pixels)


def classify_clip(model: StepModel, reader: ClipReader, clip: Path) -> list[StepResult]:
    """The outputs after each step of one clip; the last one is the answer for the clip.

    Raises:
        InputNotFoundError, SourceError, ImageError, DataError: the clip cannot be read, or has no frames.
    """
    stepper, found = Stepper(model), list[StepResult]()
    for step in reader.steps(clip):
        if step.begins:
            stepper = Stepper(model)
        found += [stepper.step(step.row) for _ in range(step.count)]
    return found


def read_clips(
    model: StepModel,
    clips: Sequence[Path],
    fps: float | None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ClipPredictions:
    """Runs the model over every clip; those with frames of more than ``max_pixels`` are skipped.

    Raises:
        DataError: no clip can be read.
    """
    start = time.perf_counter()
    reader = clip_reader(model.manifest, fps, max_pixels)
    indices: list[int] = []
    skipped: list[Skipped] = []
    steps: list[NDArray[np.float32]] = []
    found: list[StepResult] = []
    for index, clip in enumerate(clips):
        try:
            results = classify_clip(model, reader, clip)
        except (ImageError, SourceError, DataError, InputNotFoundError) as error:
            skipped.append(Skipped(str(clip), str(error).removeprefix(f"{clip}: ")))
        else:
            indices.append(index)
            found.append(results[-1])
            steps += [result.probabilities for result in results]
        if progress:
            progress(index + 1, len(clips))
    if not found:
        raise DataError(f"{clips[0].parent}: none of {len(clips)} clips can be read; first error: {skipped[0].reason}")
    scores = [r.unknown_scores for r in found if r.unknown_scores is not None and model.manifest.unknown.in_graph]
    return ClipPredictions(
        indices=tuple(indices),
        probabilities=np.concatenate([result.probabilities for result in found]),
        unknown_scores=np.concatenate(scores) if scores else None,
        skipped=tuple(skipped),
        seconds=time.perf_counter() - start,
        steps=np.concatenate(steps),
    )


def validate_clips(
    model: StepModel,
    record: SplitRecord | None,
    data: Path,
    which: EvalSplit | None = None,
    *,
    fps: float | None = None,
    progress: Progress | None = None,
    max_pixels: int = MAX_PIXELS,
    say: Callable[[str], None] | None = None,
) -> ValResult:
    """Evaluates a recurrent model on labelled clips, by the answer at the end of each.

    Where the result says images, it counts clips.

    Args:
        model: the model.
        record: the clips that it was trained on; None if not recorded.
        data: folder of clips, one folder per class.
        which: a split; None: every clip that the model was not trained on.
        fps: frames per second of folders of frames; None: that of the training clips.
        progress: receives the number of clips done.
        max_pixels: of a frame; clips with larger ones are skipped.
        say: receives one line where folders of frames are read at the rate of the training clips.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: the folder has no clips with classes of this model, or no clip can be read.
    """
    evaluated = select_eval_clips(data, model.manifest, record, which)
    if say and (line := note_on_rate(model.manifest, evaluated.paths, fps)):
        say(line)
    predictions = read_clips(model, evaluated.paths, fps, progress, max_pixels)
    return ValResult.of(evaluated, predictions, model.manifest.labels)
