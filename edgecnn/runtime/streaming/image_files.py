"""Answers to image files: read ahead, in batches; or, with one image an inference, several files side by side.

A network of a few milliseconds gains little from a second thread, and waits while an image is decoded. So each of
several threads reads, fits and classifies a file of its own, with a session of one thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.preprocess import Image, ModelInput
from edgecnn.runtime.decision import Missing
from edgecnn.runtime.sources.files import ImagePaths, read_frame
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.streaming.stream_answer import StreamAnswer, StreamAnswers
from edgecnn.runtime.system.cpu_features import allowed_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgecnn.runtime.frame_classifier import FrameClassifier
    from edgecnn.runtime.streaming.region import Region
    from edgecnn.runtime.streaming.stream_options import StreamOptions

__all__ = ["answer_images"]

_MAX_READERS = 4
"""Number of prefetching threads. A decoded image of 12 megapixels takes 36 MB."""

_MAX_SIDE_BY_SIDE = 8  # as many whole images may be in memory
_FEWEST_SIDE_BY_SIDE = 16  # files: opening a second session takes as long as answering a few


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame and its preprocessed image."""

    frame: Frame
    part: Frame  # its region; without one the frame itself
    row: Image  # uint8 [H, W, 3] RGB
    fit_ms: float  # that making it took


@dataclass(frozen=True)
class _Unreadable:
    source: str
    index: int
    reason: str


def answer_images(classifier: FrameClassifier, paths: ImagePaths, options: StreamOptions) -> StreamAnswers:
    """Answers image files in order. One that cannot be read gets an answer with status ``error``."""
    threads = allowed_threads()
    alone = _single_threaded(classifier, paths, options, threads)
    chosen = islice(enumerate(paths), 0, None, options.every)
    if alone is None:
        yield from _in_batches(classifier, chosen, options, min(_MAX_READERS, threads))
    else:
        yield from _side_by_side(alone, chosen, options, min(_MAX_SIDE_BY_SIDE, threads))


def _single_threaded(
    classifier: FrameClassifier, paths: ImagePaths, options: StreamOptions, threads: int
) -> FrameClassifier | None:
    """The classifier for several files at once; None where that would not pay, or the caller chose otherwise."""
    if options.batch > 1 or threads < 2 or classifier.states is not None:
        return None
    count = paths.count()
    if count is not None and count // options.every < _FEWEST_SIDE_BY_SIDE:
        return None
    return classifier.single_threaded()


def _side_by_side(
    alone: FrameClassifier, chosen: Iterable[tuple[int, str]], options: StreamOptions, threads: int
) -> StreamAnswers:
    prepare = _preparation(alone, options.region)

    def answered(numbered: tuple[int, str]) -> StreamAnswer:
        prepared = prepare(numbered)
        if isinstance(prepared, _Unreadable):
            return _missing(alone, prepared, options)
        [found] = _answers(alone, [prepared])
        return found

    from edgecnn.runtime.streaming.prefetch import prefetch_map  # noqa: PLC0415  # cameras need no readers

    yield from prefetch_map(answered, chosen, threads, threads + 1)


def _in_batches(
    classifier: FrameClassifier, chosen: Iterable[tuple[int, str]], options: StreamOptions, readers: int
) -> StreamAnswers:
    from edgecnn.runtime.streaming.prefetch import prefetch_map  # noqa: PLC0415  # cameras need no readers

    waiting: list[_Prepared] = []
    for loaded in prefetch_map(_preparation(classifier, options.region), chosen, readers, readers + options.batch):
        if isinstance(loaded, _Prepared):
            waiting.append(loaded)
        if isinstance(loaded, _Unreadable) or len(waiting) == options.batch:  # order is kept
            yield from _answers(classifier, waiting)
            waiting = []
        if isinstance(loaded, _Unreadable):
            yield _missing(classifier, loaded, options)
    yield from _answers(classifier, waiting)


def _preparation(
    classifier: FrameClassifier, region: Region | None
) -> Callable[[tuple[int, str]], _Prepared | _Unreadable]:
    """Reads a file of a number and a path, and fits it to the model."""
    # A region is cut out of the whole image
    model: ModelInput | None = classifier.manifest.model_input if region is None else None

    def prepare(numbered: tuple[int, str]) -> _Prepared | _Unreadable:
        index, path = numbered
        try:
            frame = read_frame(path, index, classifier.max_pixels, model)
            part = frame if region is None else region.crop(frame)
        except (ImageError, InputNotFoundError) as error:
            return _Unreadable(path, index, str(error).removeprefix(f"{path}: "))
        begin = time.perf_counter()
        row = classifier.fit(part)
        return _Prepared(frame, part, row, (time.perf_counter() - begin) * 1e3)

    return prepare


def _missing(classifier: FrameClassifier, found: _Unreadable, options: StreamOptions) -> StreamAnswer:
    missing = Missing("error", found.reason, found.source, found.index, region=options.region_text)
    return StreamAnswer(None, classifier.report_missing(missing))


def _answers(classifier: FrameClassifier, prepared: Sequence[_Prepared]) -> Iterator[StreamAnswer]:
    answers = classifier.answer([p.part for p in prepared], [p.row for p in prepared], [p.fit_ms for p in prepared])
    for p, answer in zip(prepared, answers, strict=True):
        yield StreamAnswer(p.frame, answer.prediction)
