"""From sources to answers: pictures read ahead, videos frame by frame, cameras at their newest frame."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, TypeAlias

from edgecnn.errors import InputNotFoundError, PictureError, SourceError, UsageError
from edgecnn.preprocess import Image
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.map_ahead import map_ahead
from edgecnn.runtime.sources.address import Address, parse_address
from edgecnn.runtime.sources.connection import Ended
from edgecnn.runtime.sources.files import expand_sources, read_frame
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.sources.live import LiveOptions, LiveSource, Outage
from edgecnn.runtime.sources.video import read_video

if TYPE_CHECKING:
    from edgecnn.runtime.classifier import Classifier

__all__ = ["Answered", "StreamOptions", "answer_stream"]

Answered: TypeAlias = "tuple[Frame | None, Prediction]"
"""A frame and its answer; no frame where a picture could not be read or a camera is away."""

_MOST_READERS = 4
"""Threads that decode ahead: a picture of 12 megapixels takes 36 MB."""


@dataclass(frozen=True)
class StreamOptions:
    """How a stream of answers is made."""

    batch: int = 1  # pictures an inference
    every: int = 1  # take every N-th frame
    max_frames: int | None = None  # stop after so many
    live: LiveOptions = field(default_factory=LiveOptions)

    def __post_init__(self) -> None:
        if min(self.batch, self.every, 1 if self.max_frames is None else self.max_frames) < 1:
            raise UsageError(f"batch {self.batch}, every {self.every} and max_frames {self.max_frames}: expected at least 1")


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A frame with what the network will see of it."""

    frame: Frame
    row: Image  # uint8 [H, W, 3] RGB


@dataclass(frozen=True)
class _Unreadable:
    source: str
    index: int
    reason: str


def answer_stream(classifier: Classifier, sources: Sequence[str | os.PathLike[str]], options: StreamOptions) -> Iterator[Answered]:
    """Files first, in the order given, then all cameras and streams together for as long as they are read.

    Raises:
        UsageError, InputNotFoundError, DataError, SourceError: at once, where there is no such file.
        SourceError: while iterating, where a camera cannot be opened and another try cannot help.
    """
    addresses = [parse_address(source) for source in sources]
    settled = [_settled(classifier, kind, list(group), options) for kind, group in groupby(addresses, lambda a: a.kind) if kind in _SETTLED]
    live = [a for a in addresses if a.live]
    return islice(chain(*settled, _live(classifier, live, options) if live else ()), options.max_frames)


_SETTLED = ("pictures", "video")


def _settled(classifier: Classifier, kind: str, addresses: Sequence[Address], options: StreamOptions) -> Iterator[Answered]:
    """Checks that all are there before the first is read."""
    if kind == "pictures":
        return _pictures(classifier, expand_sources([a.text for a in addresses]), options)
    return chain.from_iterable([_video(classifier, a.text, options) for a in addresses])


def _pictures(classifier: Classifier, paths: Iterable[str], options: StreamOptions) -> Iterator[Answered]:
    def load(numbered: tuple[int, str]) -> _Prepared | _Unreadable:
        index, path = numbered
        try:
            frame = read_frame(path, index, classifier.max_pixels)
        except (PictureError, InputNotFoundError) as error:
            return _Unreadable(path, index, str(error).removeprefix(f"{path}: "))
        return _Prepared(frame, classifier.fit(frame))

    readers = min(_MOST_READERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    chosen = islice(enumerate(paths), 0, None, options.every)
    waiting: list[_Prepared] = []
    for loaded in map_ahead(load, chosen, readers, readers + options.batch):
        if isinstance(loaded, _Prepared):
            waiting.append(loaded)
        if isinstance(loaded, _Unreadable) or len(waiting) == options.batch:  # order is kept
            yield from _answers(classifier, waiting)
            waiting = []
        if isinstance(loaded, _Unreadable):
            yield None, classifier.without_answer("error", loaded.reason, loaded.source, loaded.index)
    yield from _answers(classifier, waiting)


def _answers(classifier: Classifier, prepared: Sequence[_Prepared]) -> Iterator[Answered]:
    frames = [p.frame for p in prepared]
    return zip(frames, (a.prediction for a in classifier.answer(frames, [p.row for p in prepared])), strict=True)


def _video(classifier: Classifier, path: str, options: StreamOptions) -> Iterator[Answered]:
    index = 0
    try:
        for frame in read_video(path, options.every, classifier.max_pixels):
            index = frame.index + 1
            yield frame, classifier.answer([frame])[0].prediction
    except (PictureError, SourceError) as error:
        yield None, classifier.without_answer("error", str(error).removeprefix(f"{path}: "), path, index)


def _live(classifier: Classifier, addresses: Sequence[Address], options: StreamOptions) -> Iterator[Answered]:
    news = threading.Condition()
    how = replace(options.live, every=options.every, max_pixels=classifier.max_pixels)
    with ExitStack() as opened:
        sources = [LiveSource(address, how, news) for address in addresses]
        opened.callback(_close, sources)
        active = list(sources)
        while active:
            with news:
                news.wait_for(lambda: any(source.has_news() for source in active), timeout=1.0)
            for source in tuple(active):  # each in turn, so that a quick camera keeps no other waiting
                taken = source.take()
                if isinstance(taken, Frame):
                    yield taken, classifier.answer([taken])[0].prediction
                elif isinstance(taken, Outage):
                    reason = f"offline: {taken.reason}; next try in {taken.retry_in_s:g} s"
                    yield None, classifier.without_answer("no_decision", reason, taken.name, None, taken.captured_at)
                elif isinstance(taken, Ended):
                    active.remove(source)


def _close(sources: Sequence[LiveSource]) -> None:
    """All are told before any is waited for."""
    for source in sources:
        source.stop()
    for source in sources:
        source.close()
