"""A folder of frames as a source of a recurrent model: it is a clip."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.data.clips.clip_folder import frames_of
from edgecnn.errors import ImageError, InputNotFoundError
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

__all__ = ["frame_folder_answers"]

_READERS = 2
_AHEAD = 4  # frames


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
