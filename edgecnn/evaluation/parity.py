"""Parity: compares several forms of one model (checkpoint, float, int8) with the first, from image file to label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.eval_clips import select_eval_clips
from edgecnn.data.clips.frame_rate import clip_rate
from edgecnn.data.dataset import select_eval_images
from edgecnn.data.left_out import left_out_note
from edgecnn.data.loading import Skipped
from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import UsageError
from edgecnn.evaluation.evaluate import DatasetPredictions, ModelBackend, read_probabilities
from edgecnn.evaluation.evaluate_clips import ClipPredictions, read_clips
from edgecnn.evaluation.metrics import mean_kl, signal_to_noise_db
from edgecnn.evaluation.step_model import StepModel
from edgecnn.manifest import Manifest
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Progress

__all__ = ["Divergence", "Flip", "FrameParity", "Stage", "VerifiableModel", "VerifyResult", "compare_models"]


class VerifiableModel(ModelBackend, Protocol):
    """A model that :func:`compare_models` can compare."""

    @property
    def file(self) -> str:
        """Path of the file."""

    @property
    def kind(self) -> str:
        """`torch`, or `onnx` with its precision."""

    @property
    def ep(self) -> str:
        """Execution provider or torch device."""

    @property
    def split_record(self) -> SplitRecord | None:
        """Record of its training images; None if the file has none."""


@dataclass(frozen=True)
class Flip:
    """An image for which reference and candidate predict different labels."""

    image: str
    from_: str
    to: str


@dataclass(frozen=True)
class FrameParity:
    """Comparison of the answers after each step of all clips."""

    frames: int  # steps of all clips
    agreement: float  # share of them with the reference's answer
    max_abs_diff: float
    kl: float  # mean, in nats


@dataclass(frozen=True)
class Stage:
    """Comparison of one form of the model with the reference. Differences are those of probabilities.

    A recurrent model is compared by its answers at the end of each clip; in its fields, images are clips.
    """

    file: str
    kind: str
    ep: str
    top1: float | None  # None without labels
    agreement: float  # share of images with the reference's answer
    max_abs_diff: float
    kl: float  # mean, in nats
    sqnr_db: float | None  # of the centred logits; None where nothing differs
    flips: tuple[Flip, ...]
    per_frame: FrameParity | None = None  # of a recurrent model; None for single images


@dataclass(frozen=True)
class Divergence:
    """The first form that fails a gate, and the reason."""

    file: str
    reason: str
    where: str | None = (
        None  # the pixels, a layer, or no single one; None where it was not looked for, or cannot be told
    )


@dataclass(frozen=True)
class VerifyResult:
    """The report of ``edgecnn verify``. The first stage is the reference."""

    passed: bool
    images: int
    stages: tuple[Stage, ...]
    first_divergence: Divergence | None
    note: str  # which images were evaluated
    unit: Literal["images", "clips"] = "images"  # what was evaluated
    skipped: tuple[Skipped, ...] = ()  # images or clips that the reference could not read


def compare_models(
    reference: VerifiableModel,
    candidates: Sequence[VerifiableModel],
    data: Path,
    max_drop: float = 0.005,
    min_agreement: float = 0.98,
    progress: Progress | None = None,
    fps: float | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VerifyResult:
    """Runs every form on every image or clip, with its own preprocessing, and compares the predictions.

    Args:
        reference: the model that the candidates must match.
        candidates: forms of the same model, with the same labels in the same order.
        data: a dataset. Without labels only agreement is tested.
        max_drop: largest allowed top-1 accuracy drop against the reference, as a fraction.
        min_agreement: smallest allowed share of equal predictions, as a fraction.
        progress: receives the number of images or clips done, over all stages.
        fps: frames per second of clips that are folders of frames; None: that of the training clips.
        max_pixels: of an image or frame; larger ones are skipped.

    Raises:
        UsageError: a candidate has different labels, or is recurrent in another way.
        InputNotFoundError: the folder does not exist.
        DataError: the dataset has no images that the model can be evaluated on.
    """
    for candidate in candidates:
        _require_same_model(reference, candidate)
    record = next((r for model in (reference, *candidates) if (r := model.split_record)), None)
    recurrent = reference.manifest.temporal is not None
    evaluated = (
        select_eval_clips(data, reference.manifest, record, labels_needed=False)
        if recurrent
        else select_eval_images(data, reference.manifest, record, labels_needed=False)
    )
    models = (reference, *candidates)
    predictions = [
        _read(model, evaluated.paths, _told(progress, i, len(models), model.file), fps, max_pixels)
        for i, model in enumerate(models)
    ]
    paths = [evaluated.paths[i] for i in predictions[0].indices]
    truth = np.array([evaluated.truth[i] for i in predictions[0].indices]) if evaluated.truth else None
    stages = tuple(
        _stage(model, found, predictions[0], truth, paths) for model, found in zip(models, predictions, strict=True)
    )
    unit: Literal["images", "clips"] = "clips" if recurrent else "images"
    first = next((d for s in stages if (d := _divergence(s, stages[0], max_drop, min_agreement, unit))), None)
    return VerifyResult(
        passed=first is None,
        images=len(paths),
        stages=stages,
        first_divergence=first,
        note=evaluated.note + left_out_note(evaluated.left_out),
        unit=unit,
        skipped=predictions[0].skipped,
    )


def _require_same_model(reference: VerifiableModel, candidate: VerifiableModel) -> None:
    """Raises :class:`UsageError` where a candidate has other labels, or is recurrent in another way."""
    if candidate.manifest.temporal != reference.manifest.temporal:
        raise UsageError(
            f"{candidate.file}: is {_family(candidate.manifest)}, and {reference.file} is "
            f"{_family(reference.manifest)}; verify compares forms of one model; give files of the same model"
        )
    if candidate.manifest.labels != reference.manifest.labels:
        raise UsageError(
            f"{candidate.file}: its labels ({_few(candidate.manifest.labels)}) differ from those of "
            f"{reference.file} ({_few(reference.manifest.labels)}); verify compares forms of one model; "
            "give files of the same model"
        )


def _family(manifest: Manifest) -> str:
    temporal = manifest.temporal
    return "a model of single images" if temporal is None else f"a recurrent model ({temporal.kind})"


def _told(progress: Progress | None, i: int, of: int, file: str) -> Progress:
    """The progress of one of several models."""

    def told(done: int, total: int, note: str = "") -> None:
        if progress:
            progress(i * total + done, of * total, note or file)

    return told


def _read(
    model: VerifiableModel, paths: Sequence[Path], progress: Progress, fps: float | None, max_pixels: int
) -> DatasetPredictions:
    if model.manifest.temporal is not None:
        return read_clips(cast("StepModel", model), paths, clip_rate(model.manifest, fps), progress, max_pixels)
    return read_probabilities(model, paths, progress, max_pixels=max_pixels)


def _answered(found: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Probabilities ``[N, C]`` that can be compared, and the answers ``[N]``; -1 where one is not a number."""
    finite = np.asarray(np.isfinite(found).all(axis=1))
    return np.where(finite[:, None], found, np.float32(1 / found.shape[1])), np.where(finite, found.argmax(1), -1)


def _per_frame(found: DatasetPredictions, expected: DatasetPredictions) -> FrameParity | None:
    if not (isinstance(found, ClipPredictions) and isinstance(expected, ClipPredictions)):
        return None
    probabilities, answers = _answered(found.steps)
    return FrameParity(
        frames=len(answers),
        agreement=float((answers == expected.steps.argmax(1)).mean()),
        max_abs_diff=float(np.abs(probabilities - expected.steps).max()),
        kl=mean_kl(expected.steps, probabilities),
    )


def _stage(
    model: VerifiableModel,
    predictions: DatasetPredictions,
    reference: DatasetPredictions,
    truth: NDArray[np.intp] | None,
    paths: Sequence[Path],
) -> Stage:
    expected = reference.probabilities
    found, answers = _answered(predictions.probabilities)
    wanted = expected.argmax(1)  # NaN is no answer, so it agrees with no other
    labels = (*model.manifest.labels, "no prediction")
    flips = tuple(
        Flip(str(paths[i]), labels[wanted[i]], labels[answers[i]]) for i in np.flatnonzero(answers != wanted).tolist()
    )
    return Stage(
        file=model.file,
        kind=model.kind,
        ep=model.ep,
        top1=None if truth is None else float((answers == truth).mean()),
        agreement=float((answers == wanted).mean()),
        max_abs_diff=float(np.abs(found - expected).max()),
        kl=mean_kl(expected, found),
        sqnr_db=signal_to_noise_db(expected, found),
        flips=flips,
        per_frame=_per_frame(predictions, reference),
    )


def _divergence(stage: Stage, reference: Stage, max_drop: float, min_agreement: float, unit: str) -> Divergence | None:
    if stage.agreement < min_agreement:
        return Divergence(
            stage.file, f"agrees on {stage.agreement:.2%} of the {unit}, at least {min_agreement:.2%} is required"
        )
    if stage.top1 is not None and reference.top1 is not None and reference.top1 - stage.top1 > max_drop + 1e-12:
        return Divergence(
            stage.file, f"top-1 accuracy drops by {reference.top1 - stage.top1:.4f}, at most {max_drop:g} is allowed"
        )
    return None


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:4]) + (" …" if len(labels) > 4 else "")
