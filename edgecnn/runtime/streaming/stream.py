"""Streams of predictions: images are prefetched, videos are read frame by frame, cameras give their newest frame."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from edgecnn.errors import ImageError, SourceError, UsageError
from edgecnn.runtime.decision import Missing, Prediction, Status
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.sources.address import parse_address, with_colon
from edgecnn.runtime.sources.counting import count_frames
from edgecnn.runtime.sources.files import FolderListing, ImagePaths, expand_sources
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.image_files import answer_images
from edgecnn.runtime.streaming.stream_answer import StreamAnswer, StreamAnswers
from edgecnn.runtime.streaming.stream_options import LARGEST_BATCH, StreamOptions

if TYPE_CHECKING:
    from typing_extensions import Self

    from edgecnn.runtime.frame_classifier import FrameClassifier
    from edgecnn.runtime.sources.address import Address
    from edgecnn.runtime.sources.capture.live_options import Counters
    from edgecnn.runtime.sources.capture.several_cameras import Cameras

__all__ = ["LARGEST_BATCH", "AnswerStream", "Answered", "StreamOptions", "answer_stream"]

Answered: TypeAlias = "tuple[Frame | None, Prediction]"
"""A frame and its prediction. The frame is None if an image could not be read or a camera is offline."""

Answers: TypeAlias = "Generator[Answered, None, None]"


@dataclass(frozen=True)
class _Files:
    """The sources of a stream that have an end."""

    every: int
    images: list[ImagePaths] = field(default_factory=list)
    videos: list[str] = field(default_factory=list)
    frame_folders: list[Path] = field(default_factory=list)  # clips of a recurrent model

    def expected_frames(self) -> int | None:
        """How many images and frames they will give; None where there is no telling."""
        found = count_frames(self.images, self.videos, self.every)
        if found is None or not self.frame_folders:
            return found
        from edgecnn.data.clips.clip_folder import frames_of  # noqa: PLC0415  # single images need none of it

        return found + sum(-(-len(frames_of(folder)) // self.every) for folder in self.frame_folders)


class AnswerStream(Iterator[Answered]):
    """Iterator of frames and predictions.

    Closing it, leaving its ``with`` block or deleting it stops its reader threads and capture processes.
    """

    def __init__(self, answers: Answers, cameras: Cameras | None, statuses: Counter[Status], files: _Files) -> None:
        self._answers = answers
        self._files = files
        self._cameras = cameras
        self._process = os.getpid()
        self.statuses = statuses
        """Number of predictions per status, including those that ``on_change`` suppressed."""

    @property
    def counters(self) -> dict[str, Counters]:
        """Counters of each camera and stream, by name."""
        return {} if self._cameras is None else self._cameras.counters

    @property
    def folders(self) -> tuple[FolderListing, ...]:
        """What was found in each folder among the sources, and what was left out of it."""
        return tuple(folder for paths in self._files.images for folder in paths.folders)

    @property
    def frame_folders(self) -> tuple[Path, ...]:
        """The folders of frames among the sources, which are clips to a recurrent model."""
        return tuple(self._files.frame_folders)

    def expected_frames(self) -> int | None:
        """Images and frames that the sources will give; None where there is no end or no telling: a camera, standard
        input."""
        if self._cameras is not None:
            return None
        return self._files.expected_frames()

    def __next__(self) -> Answered:
        if self._process != os.getpid():  # its readers are threads and processes of the parent
            raise UsageError("this stream was opened before the process was forked; open one in the forked process")
        return next(self._answers)

    def close(self) -> None:
        """Stops reading and closes all sources."""
        self._answers.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def answer_stream(
    classifier: FrameClassifier, sources: Sequence[str | os.PathLike[str]], options: StreamOptions
) -> AnswerStream:
    """Creates a stream: files first, in the given order, then all cameras and streams at the same time.

    Raises:
        UsageError, InputNotFoundError, DataError, SourceError: immediately, for a source that does not exist.
        SourceError: while iterating, for a camera that cannot be opened and where retrying cannot help.
    """
    if not sources:
        raise UsageError("no source; give an image, a folder, a video, a camera or a stream")
    addresses = [parse_address(source) for source in sources]
    _check_options(classifier, addresses, options)
    parts: list[StreamAnswers] = []
    files = _Files(options.every)
    for kind, group in groupby((a for a in addresses if not a.live), lambda a: a.kind):
        texts = [a.text for a in group]
        if kind != "images":
            files.videos.extend(texts)
            parts += [_clip(classifier, text, options) for text in texts]
        elif classifier.states is None:
            files.images.append(expand_sources(texts))
            parts.append(answer_images(classifier, files.images[-1], options))
        else:
            parts += [part for text in texts for part in _images_or_clips(classifier, text, options, files)]
    cameras = _cameras([a for a in addresses if a.live], classifier, options)
    if cameras is not None:
        parts.append(_live(classifier, cameras, options))
    statuses = Counter[Status]()
    return AnswerStream(_in_turn(parts, options, statuses), cameras, statuses, files)


def _check_options(classifier: FrameClassifier, addresses: Sequence[Address], options: StreamOptions) -> None:
    """Refuses options that the model or a source has no use for. Raises :class:`UsageError`."""
    if classifier.states is None and (options.per_clip or options.fps is not None):
        name = "--per-clip" if options.per_clip else "--fps"
        raise UsageError(f"{name} is for recurrent models, and this model classifies single images; leave it out")
    endless = next((a for a in addresses if a.live), None)
    if options.per_clip and endless is not None:
        raise UsageError(
            f"{with_colon(endless.name)} a camera or stream has no end, so --per-clip has no answer; leave it out"
        )


def _images_or_clips(
    classifier: FrameClassifier, text: str, options: StreamOptions, files: _Files
) -> list[StreamAnswers]:
    """To a recurrent model a folder is a clip, or holds clips; an image is a clip of one frame."""
    if not os.path.isdir(text):  # noqa: PTH112  # False for names that are too long
        files.images.append(expand_sources([text]))
        return [answer_images(classifier, files.images[-1], options)]
    # Not at the top: models of single images need none of it
    from edgecnn.data.clips.clip_folder import clips_in  # noqa: PLC0415

    clips = clips_in(Path(text))
    files.frame_folders.extend(clip for clip in clips if clip.is_dir())
    files.videos.extend(str(clip) for clip in clips if not clip.is_dir())
    return [_clip(classifier, str(clip), options) for clip in clips]


def _clip(classifier: FrameClassifier, path: str, options: StreamOptions) -> StreamAnswers:
    """A video, or for a recurrent model a folder of frames."""
    if os.path.isdir(path):  # noqa: PTH112  # without pathlib it starts sooner
        from edgecnn.data.clips.frame_rate import clip_rate  # noqa: PLC0415
        from edgecnn.runtime.streaming.clip_folder import frame_folder_answers  # noqa: PLC0415

        fps = clip_rate(classifier.manifest, options.fps)
        frames = frame_folder_answers(classifier, Path(path), fps, options.every, options.smoothing, options.region)
    else:
        frames = _video(classifier, path, options)
    if not options.per_clip:
        return frames
    from edgecnn.runtime.streaming.clip_answer import clip_answer  # noqa: PLC0415

    return clip_answer(frames, path)


def _cameras(addresses: Sequence[Address], classifier: FrameClassifier, options: StreamOptions) -> Cameras | None:
    if not addresses:
        return None
    from edgecnn.runtime.sources.capture.live_options import LiveOptions  # noqa: PLC0415
    from edgecnn.runtime.sources.capture.several_cameras import Cameras  # noqa: PLC0415  # files need none of it

    live = replace(options.live or LiveOptions(), every=options.every, max_pixels=classifier.max_pixels)
    if _may_be_smaller(options):
        live = replace(live, model=classifier.manifest.model_input)
    return Cameras(addresses, live)


def _may_be_smaller(options: StreamOptions) -> bool:
    """Whether frames may be decoded for the model: a region is cut out of whole ones, and thresholds that were learned
    from a camera were learned from whole ones."""
    return options.region is None and options.health in (None, FrameQualityThresholds())


def _in_turn(parts: Sequence[StreamAnswers], options: StreamOptions, statuses: Counter[Status]) -> Answers:
    frames = 0
    for part in parts:
        with closing(part):
            for evaluated in part:
                statuses[evaluated.prediction.status] += 1
                if evaluated.changed or not options.on_change:
                    yield evaluated.frame, evaluated.prediction
                frames += evaluated.prediction.frame is not None
                if frames == options.max_frames:
                    return


def _video(classifier: FrameClassifier, path: str, options: StreamOptions) -> StreamAnswers:
    from edgecnn.runtime.sources.video import read_video  # noqa: PLC0415
    from edgecnn.runtime.streaming.source_pipeline import SourcePipeline  # noqa: PLC0415  # images need none of it

    backend, index = SourcePipeline(classifier, options.health, options.smoothing, path, options.region), 0
    try:
        for frame in read_video(path, options.every, classifier.max_pixels):
            index = frame.index + 1
            yield StreamAnswer(frame, *backend.frame(frame))
    except (ImageError, SourceError) as error:
        missing = Missing("error", str(error).removeprefix(f"{path}: "), path, index, region=options.region_text)
        yield StreamAnswer(None, classifier.report_missing(missing))


def _live(classifier: FrameClassifier, cameras: Cameras, options: StreamOptions) -> StreamAnswers:
    from edgecnn.runtime.streaming.source_pipeline import SourcePipeline  # noqa: PLC0415  # files need none of it

    pipelines: dict[str, SourcePipeline] = {}
    with cameras:
        for news in cameras:
            backend = pipelines.get(news.name)
            if backend is None:
                backend = pipelines[news.name] = SourcePipeline(
                    classifier, options.health, options.smoothing, news.name, options.region
                )
            if isinstance(news, Frame):
                yield StreamAnswer(news, *backend.frame(news))
            else:
                yield StreamAnswer(None, *backend.outage(news))
