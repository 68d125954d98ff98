"""Estimates a model's accuracy on a folder of frames without labels, and looks whether they drift from what it was
taught on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgecnn.data.dataset import find_images, require_folder
from edgecnn.data.loading import Skipped, default_workers
from edgecnn.data_quality.finding import Finding
from edgecnn.errors import DataError, ImageError, InputNotFoundError, ModelError, UsageError
from edgecnn.evaluation.expected_accuracy import (
    FEWEST_SCENES,
    AccuracyReference,
    ExpectedAccuracy,
    expected_accuracy,
)
from edgecnn.evaluation.recent_scenes import RecentScenes
from edgecnn.image.scene_signature import Signature, scene_signature
from edgecnn.preprocess import MAX_PIXELS, Image, decode_for, fit_decoded, read_bytes
from edgecnn.progress import Progress, Reporter, Silent
from edgecnn.runtime.doctor.run import Diagnosis
from edgecnn.runtime.session.known_classes import read_class_statistics
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session

__all__ = ["FramesDiagnosis", "examine_frames"]

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class FramesDiagnosis(Diagnosis):
    """The report of ``edgecnn doctor MODEL --frames DIR``. Shares are fractions."""

    expected_top1: float | None  # None: no interval, or an alarm
    interval: tuple[float, float] | None  # 95 %; None: too few scenes, or probabilities that were never calibrated
    frames: int  # that were classified
    scenes: int  # different ones among them
    unknown_share: float | None  # of the scenes; None: the model's rule is off
    shift: float | None  # of the mean features, in deviations within a class; None: the file has no statistics
    alarm: bool | None  # the frames are others than what the model was taught on; None: nothing says so, but it may be
    reason: str | None  # of the alarm, or why there is no estimate or no alarm


def examine_frames(
    model: Path, folder: Path, ep: str = "auto", reporter: Reporter | None = None, max_pixels: int | None = None
) -> FramesDiagnosis:
    """Classifies the images of a folder and estimates how many answers are right. Names of folders are not looked at.

    Args:
        model: the model file.
        folder: images as the model will see them, in any folders.
        ep: execution provider.
        reporter: receives progress.
        max_pixels: of an image; larger ones count as unreadable. None: the usual limit.

    Raises:
        InputNotFoundError, ModelError, ManifestError, ProviderError: the model cannot be used, or remembers frames.
        DataError: the folder holds no image that can be read.
        UsageError: it is no folder.
    """
    if not folder.is_dir() and folder.exists():
        raise UsageError(f"{folder}: is no folder; --frames takes a folder of images")
    require_folder(folder)
    session = open_session(model, ep)
    if session.manifest.temporal is not None:
        raise ModelError(
            f"{model}: has a memory of the frames before, so single frames do not tell how good it is; "
            "evaluate it on labelled clips with `edgecnn val`"
        )
    paths = find_images(folder)
    if not paths:
        raise DataError(f"{folder}: holds no images; give a folder of frames, for example of `edgecnn capture`")
    reference = AccuracyReference.of(session.manifest, read_class_statistics(session))
    scenes = RecentScenes(session.manifest.unknown, reference, most=len(paths))
    progress = (reporter or Silent()).stage("classifying frames")
    skipped = _classify(paths, session, scenes, progress, max_pixels or MAX_PIXELS)
    if len(skipped) == len(paths):
        raise DataError(f"{folder}: none of {len(paths)} images can be read; first error: {skipped[0].reason}")
    found = expected_accuracy(scenes.evidence, reference)
    findings = [*_findings(found, folder), *_unreadable(skipped, folder)]
    return FramesDiagnosis(
        ok=not found.alarm,
        findings=tuple(findings),
        expected_top1=found.expected_top1,
        interval=found.interval,
        frames=found.frames,
        scenes=found.scenes,
        unknown_share=found.unknown_share,
        shift=found.shift,
        alarm=found.alarm,
        reason=found.reason,
    )


def _classify(
    paths: Sequence[Path], session: ModelSession, scenes: RecentScenes, progress: Progress, max_pixels: int
) -> list[Skipped]:
    """Adds the answers to the scenes; returns the files that cannot be read."""
    model = session.manifest.model_input

    def load(path: Path) -> tuple[Image, Signature] | Skipped:
        try:
            decoded = decode_for(read_bytes(path, max_pixels), model, str(path), max_pixels)
            return fit_decoded(decoded, model), scene_signature(decoded.image)
        except (ImageError, InputNotFoundError) as error:
            return Skipped(str(path), str(error).removeprefix(f"{path}: "))

    skipped: list[Skipped] = []
    done = 0
    with ThreadPoolExecutor(default_workers()) as pool:
        for batch in _batches(paths):
            loaded = list(pool.map(load, batch))
            readable = [item for item in loaded if not isinstance(item, Skipped)]
            skipped += [item for item in loaded if isinstance(item, Skipped)]
            if readable:
                outputs = session.outputs(np.stack([image for image, _ in readable]))
                for i, (_, signature) in enumerate(readable):
                    scenes.add(
                        signature,
                        outputs.probabilities[i],
                        None if outputs.unknown_scores is None else float(outputs.unknown_scores[i]),
                        None if outputs.embedding is None else outputs.embedding[i],
                    )
            done += len(batch)
            progress(done, len(paths))
    return skipped


def _batches(paths: Sequence[Path]) -> Iterator[list[Path]]:
    rest = iter(paths)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _findings(found: ExpectedAccuracy, folder: Path) -> Iterator[Finding]:
    where = str(folder)
    repeats = "" if found.scenes == found.frames else f", which show {found.scenes} different scenes"
    seen = f"{found.frames} frames{repeats}"
    if found.alarm:
        what = f"the frames are others than what the model was taught on: {found.reason}"
        remedy = "label some of them and teach the model (`edgecnn teach`), or bring light, focus and view back"
        yield Finding("fault", what, where, remedy)
    if found.interval is None:
        if not found.alarm:
            few = found.scenes < FEWEST_SCENES
            remedy = "give more frames, of other moments" if few else "label images of its classes and teach the model"
            yield Finding("warning", f"{seen}: no estimate of the accuracy: {found.reason}", where, remedy)
        return
    low, high = found.interval
    if found.alarm:
        yield Finding("note", f"{seen}: the accuracy may be anything from {low:.3f} to {high:.3f}", where, "")
        return
    unknown = (
        "" if found.unknown_share is None else f"; {100 * found.unknown_share:.1f} % of them are unknown to the model"
    )
    what = f"{seen}: expected accuracy {found.expected_top1:.3f} ({low:.3f} to {high:.3f}){unknown}"
    yield Finding("ok", what, where, "")
    if found.alarm is None:
        remedy = "export or teach the model with this version of EdgeCNN"
        yield Finding("warning", found.reason or "", where, remedy)


def _unreadable(skipped: Sequence[Skipped], folder: Path) -> Iterator[Finding]:
    if skipped:
        count, first = len(skipped), skipped[0]
        what = (
            f"{count} image{'s cannot' if count > 1 else ' cannot'} be read, for example {first.path}: {first.reason}"
        )
        yield Finding("warning", what, str(folder), "")
