"""Folders as sources of a recurrent model: a folder of frames is a clip, and a folder of clips is all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.data.clips.clip_folder import frames_of, is_clip
from edgecnn.data.folder_files import list_entries
from edgecnn.errors import DataError, ImageError, InputNotFoundError
from edgecnn.runtime.decision import Missing
from edgecnn.runtime.sources.files import read_frame
from edgecnn.runtime.streaming.prefetch import prefetch_map
from edgecnn.runtime.streaming.source_pipeline import SourcePipeline
from edgecnn.runtime.streaming.stream_answer import StreamAnswer, StreamAnswers

if TYPE_CHECKING:
    from edgecnn.runtime.frame_classifier import FrameClassifier
    from edgecnn.runtime.smoothing.smoother import SmoothingOptions
    from edgecnn.runtime.sources.frame import Frame
    from edgecnn.runtime.streaming.region import Region

__all__ = ["clips_in", "frame_folder_answers"]

_READERS = 2
_AHEAD = 4  # frames


def clips_in(folder: Path) -> list[Path]:
    """The clips of a folder, in order: itself if it holds images, and all videos and folders with images below it.

    A folder that holds nothing is a clip without frames, which is an error where it is read. Links to folders are
    followed, but no folder is read twice.

    Raises:
        DataError: it holds neither frames nor clips, or a folder may not be listed.
    """
    found = list(_clips_in(folder, set(folder.resolve().parents)))
    if not any(is_clip(clip) for clip in found):
        raise DataError(f"{folder}: the folder contains no images and no videos; check the path")
    return found


def _clips_in(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """``seen``: the folders that are not read again, resolved."""
    if (real := folder.resolve()) in seen:
        return
    seen.add(real)
    entries = list_entries(folder)
    inside = sorted(path for path in (*entries.files, *entries.folders) if not path.name.startswith("."))
    if frames_of(folder) or not inside:
        yield folder
    for path in inside:
        if path.is_dir():
            yield from _clips_in(path, seen)
        elif is_clip(path):
            yield path


def frame_folder_answers(
    classifier: FrameClassifier,
    folder: Path,
    fps: float,
    every: int,
    smoothing: SmoothingOptions | None,
    region: Region | None = None,
) -> StreamAnswers:
    """Classifies the frames of a clip, which are read ahead. A frame that cannot be read leaves the state as it is.

    Args:
        classifier: with a recurrent model.
        folder: of the frames, ordered by the numbers in their names.
        fps: frames per second.
        every: take every N-th frame.
        smoothing: of the answers; None: none.
        region: the part of each frame that is classified; None: the whole frame.
    """
    named = None if region is None else str(region)
    model = classifier.manifest.model_input if region is None else None  # a region is cut out of the whole

    def load(numbered: tuple[int, Path]) -> Frame | Missing:
        index, path = numbered
        try:
            frame = read_frame(str(path), index, classifier.max_pixels, model)
        except (ImageError, InputNotFoundError) as error:
            return Missing("error", str(error).removeprefix(f"{path}: "), str(path), index, region=named)
        return replace(frame, media_time_s=index / fps)

    pipeline = SourcePipeline(classifier, None, smoothing, str(folder), region)
    empty = True
    for loaded in prefetch_map(load, islice(enumerate(frames_of(folder)), 0, None, every), _READERS, _AHEAD):
        empty = False
        if isinstance(loaded, Missing):
            yield StreamAnswer(None, classifier.report_missing(loaded))
        else:
            yield _answered(classifier, pipeline, loaded, named)
    if empty:
        missing = Missing("error", "the clip has no frames; remove it", str(folder), 0, region=named)
        yield StreamAnswer(None, classifier.report_missing(missing))


def _answered(classifier: FrameClassifier, pipeline: SourcePipeline, frame: Frame, region: str | None) -> StreamAnswer:
    try:
        return StreamAnswer(frame, *pipeline.frame(frame))
    except ImageError as error:  # it does not hold the region
        missing = Missing("error", str(error).removeprefix(f"{frame.name}: "), frame.name, frame.index, region=region)
        return StreamAnswer(None, classifier.report_missing(missing))
