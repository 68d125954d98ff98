"""Chooses and reads the clips on which the quantization of a recurrent model is calibrated and evaluated.

The ranges of the CNN are calibrated on frames of the clips. Candidates are compared by the probabilities after each
step of whole clips, each with its own state. A single frame says little about a network that reads changes, and
embedding errors that the head averages out do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.eval_clips import select_eval_clips
from edgecnn.data.clips.frame_rate import clip_rate
from edgecnn.data.left_out import left_out_note
from edgecnn.data.loading import Skipped
from edgecnn.errors import DataError, ImageError, InputNotFoundError, SourceError
from edgecnn.evaluation.evaluate import DatasetPredictions
from edgecnn.evaluation.evaluate_clips import clip_reader, read_clips
from edgecnn.evaluation.step_model import run_steps
from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.runtime.session.model_session import ModelSession
from exporters.quantization.eval_images import CalibrationSet, QuantizationImages, require_enough

__all__ = ["ComparedClips", "QuantizationClips", "choose_clips"]

_COMPARED_STEPS = 40  # most steps of a clip
_LEAST_CLIPS = 2  # one to calibrate on, one to evaluate


@dataclass(frozen=True, eq=False)
class ComparedClips:
    """Clips on which candidates are compared with the float model."""

    clips: tuple[Image, ...]  # uint8 [T, H, W, 3] each

    def answers(self, session: ModelSession) -> NDArray[np.float32]:
        """Probabilities ``[M, C]`` after each step of every clip, one clip after the other."""
        return np.concatenate([found.probabilities for clip in self.clips for found in run_steps(session, clip)])


@dataclass(frozen=True)
class QuantizationClips(QuantizationImages):
    """Disjoint sets of clips for calibration and evaluation, used where other models have images."""

    frames: int  # largest number of calibration frames
    fps: float  # of clips that are folders of frames

    @property
    def noun(self) -> str:
        """What is evaluated, in the plural."""
        return "clips"

    def calibration_set(self, session: ModelSession, progress: Progress) -> CalibrationSet:
        """Reads frames of the calibration clips; a quarter of the clips is set aside for comparing candidates.

        Raises:
            DataError: too few frames can be read.
        """
        reader = clip_reader(session.manifest, self.fps, self.max_pixels)
        skipped: list[Skipped] = []
        compared: list[Image] = []
        fitted: list[Image] = []
        aside, each = max(1, len(self.calibration) // 4), -(-self.frames // len(self.calibration))
        for done, path in enumerate(self.calibration, 1):
            try:
                frames = _frames(reader, path)
            except (ImageError, SourceError, DataError, InputNotFoundError) as error:
                skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
            else:
                if len(compared) < aside and sum(map(len, compared)) < max(self.frames // 4, _COMPARED_STEPS):
                    compared.append(frames)
                else:
                    fitted.append(_thinned(frames, each))
            progress(done, len(self.calibration))
        fitted = fitted or compared  # where there is a single clip
        require_enough(sum(map(len, fitted)), self.calibration[0].parent)
        aside_clips = ComparedClips(tuple(compared))
        return CalibrationSet(np.concatenate(fitted), aside_clips, aside_clips, tuple(skipped))

    def read(self, session: ModelSession, progress: Progress) -> DatasetPredictions:
        """Runs a model on what is evaluated. Raises :class:`DataError` if nothing can be read."""
        return read_clips(session, self.evaluated, self.fps, progress, self.max_pixels)


def choose_clips(data: Path, session: ModelSession, frames: int, seed: int, fps: float | None) -> QuantizationClips:
    """Chooses clips for calibration and for evaluation.

    From the data of the run, it takes training clips for calibration and held-out ones for evaluation. Other clips are
    divided at random, at most half of them for calibration.

    Args:
        data: folder of clips, one folder per class; or clips without labels.
        session: the float step file.
        frames: largest number of calibration frames, and of calibration clips.
        seed: of the random choice.
        fps: frames per second of folders of frames; None: that of the training clips.

    Raises:
        InputNotFoundError: the folder does not exist.
        DataError: it has no clips with classes of the model, or too few for both sets.
    """
    found = select_eval_clips(data, session.manifest, session.split_record, labels_needed=False)
    rate = clip_rate(session.manifest, fps)
    random = np.random.default_rng(seed)
    if found.trained_on:
        order = random.permutation(len(found.trained_on))[:frames]  # in random order, since the first are set aside
        calibration = tuple(found.trained_on[i] for i in order)
        note = f"calibrated on frames of {len(calibration)} training clips, evaluated on {found.note}"
        note += left_out_note(found.left_out)
        return QuantizationClips(calibration, found.paths, found.truth, True, note, frames, rate)
    if len(found.paths) < _LEAST_CLIPS:
        raise DataError(f"{data}: only one clip; calibration and evaluation need different clips, give more")
    order = random.permutation(len(found.paths))
    few = min(frames, len(order) // 2)
    rest = sorted(order[few:])
    note = (
        f"calibrated on frames of {few} clips, evaluated on the other {len(rest)}; none of them is a training clip"
        f"{left_out_note(found.left_out)}"
    )
    return QuantizationClips(
        calibration=tuple(found.paths[i] for i in order[:few]),
        evaluated=tuple(found.paths[i] for i in rest),
        truth=None if found.truth is None else tuple(found.truth[i] for i in rest),
        held_out=True,
        note=note,
        frames=frames,
        fps=rate,
    )


def _frames(reader: ClipReader, path: Path) -> Image:
    return np.stack([step.row for step in islice(reader.steps(path), _COMPARED_STEPS)])


def _thinned(clip: Image, frames: int) -> Image:
    """At most ``frames`` frames, evenly spread over a clip."""
    chosen: Image = clip[np.linspace(0, len(clip) - 1, min(frames, len(clip))).round().astype(int)]
    return chosen
