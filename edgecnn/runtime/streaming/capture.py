"""Saves frames of a camera, a stream or a video in a class folder of a dataset."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from edgecnn.atomic import make_folder, write_bytes
from edgecnn.data.sessions import SESSION_PREFIX
from edgecnn.errors import OutputError, UsageError
from edgecnn.preprocess import MAX_PIXELS
from edgecnn.progress import Progress
from edgecnn.runtime.frame_quality.checker import FrameQualityChecker
from edgecnn.runtime.sources import Frame, LiveOptions, open_source
from edgecnn.runtime.sources.frame import now_rfc3339

if TYPE_CHECKING:
    from edgecnn.runtime.streaming.region import Region

__all__ = ["CaptureOptions", "CaptureResult", "capture", "frames_for"]

_QUALITY = 95  # of the JPEGs: training decodes and resizes them, as the runner does the camera's own


@dataclass(frozen=True)
class CaptureOptions:
    """Options of ``edgecnn capture``. Raises :class:`UsageError` for an invalid value."""

    source: str
    label: str
    data: Path  # the data set; the images go into its folder `label`
    count: int = 100
    every_s: float = 1.0  # between two saved frames
    health: FrameQualityChecker | None = None  # passes over unfit frames; None: saves them too
    fail_fast: bool = False
    interval_s: float | None = None  # between two requests of an image over HTTP
    max_pixels: int = MAX_PIXELS  # of a frame; larger ones are refused
    region: Region | None = None  # the part of each frame that is checked and saved; None: the whole frame

    def __post_init__(self) -> None:
        if self.count < 1 or not self.every_s >= 0:
            raise UsageError(
                f"--count {self.count} --every {self.every_s:g}: expected at least 1, and a time of at least 0 s"
            )
        if not self.label.strip() or self.label.startswith(".") or re.search(r"[/\\\0]", self.label):
            raise UsageError(
                f"--label '{self.label}': the label is used as a folder name; remove slashes and leading dots"
            )


@dataclass(frozen=True)
class CaptureResult:
    """The report of ``edgecnn capture``."""

    folder: Path  # of this session, in the folder of the label
    saved: int
    skipped: int  # frames that were due and unfit
    reasons: tuple[str, ...]  # why, each kind once


def capture(options: CaptureOptions, progress: Progress | None = None) -> CaptureResult:
    """Saves frames until ``count`` are saved or the source ends.

    Raises:
        InputNotFoundError, SourceError: the source cannot be opened.
        ImageError: a frame does not hold the region.
        OutputError: an image cannot be written.
    """
    folder = _session_folder(options.data / options.label)
    saved = skipped = 0
    reasons: dict[str, None] = {}
    frames = _frames(options)
    with closing(frames):
        for frame in frames:
            reason = options.health.check(frame) if options.health else None
            if reason is not None:
                skipped += 1
                reasons[reason.partition(":")[0]] = None
                continue
            _save(frame, folder)
            saved += 1
            if progress:
                progress(saved, options.count)
            if saved == options.count:
                break
    return CaptureResult(folder, saved, skipped, tuple(reasons))


def _session_folder(label_folder: Path) -> Path:
    """A folder for the frames of this session, which training keeps on one side of its split."""
    name = SESSION_PREFIX + re.sub(r"[^0-9TZ]", "", now_rfc3339().partition(".")[0]) + "Z"
    make_folder(label_folder)
    folder, number = label_folder / name, 1
    while True:
        try:
            folder.mkdir()  # made, not only looked up: two captures that start together get two
        except FileExistsError:
            number += 1
            folder = label_folder / f"{name}-{number}"
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be written: {error.strerror}; allow writing there, or choose another --out"
            ) from error
        else:
            return folder


def frames_for(
    source: str,
    seconds: float,
    progress: Progress | None = None,
    interval_s: float | None = None,
    max_pixels: int = MAX_PIXELS,
    region: Region | None = None,
) -> Iterator[Frame]:
    """Yields the frames of the next ``seconds`` seconds, by capture time; with a region that part of them.

    Raises as :func:`open_source`; :class:`UsageError` if the source is an image; :class:`ImageError` if a frame does
    not hold the region.
    """
    if not 0 < seconds < math.inf:
        raise UsageError(f"--seconds {seconds:g}: expected a time above 0")
    frames: Any = open_source(source, max_pixels=max_pixels, live=LiveOptions(interval_s=interval_s))
    start_s: float | None = None
    with closing(frames):  # a generator or a live source: both can be
        for frame in frames:
            now_s = _time_s(frame, source)
            start_s = now_s if start_s is None else start_s
            if now_s - start_s >= seconds:
                return
            yield frame if region is None else region.crop(frame)
            if progress:
                progress(int(now_s - start_s), int(seconds))


def _time_s(frame: Frame, source: str) -> float:
    if frame.kind == "image":
        raise UsageError(f"{source}: the source has images; give a camera, a stream or a video")
    return frame.captured_monotonic_s if frame.media_time_s is None else frame.media_time_s


def _frames(options: CaptureOptions) -> Generator[Frame, None, None]:
    """Yields the frames that are due, by capture time."""
    source: Any = open_source(
        options.source,
        max_pixels=options.max_pixels,
        live=LiveOptions(fail_fast=options.fail_fast, interval_s=options.interval_s),
    )
    due_s: float | None = None
    with closing(source):  # a generator or a live source: both can be
        for frame in source:
            now_s = _time_s(frame, options.source)
            if due_s is None or now_s >= due_s:
                yield frame if options.region is None else options.region.crop(frame)
                due_s = now_s + options.every_s


def _save(frame: Frame, folder: Path) -> None:
    """Saves a frame. The file name has its capture time and number, so that no image is replaced."""
    done, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"{folder}: OpenCV cannot encode a frame of {frame.name} as JPEG")
    when = re.sub(r"[^0-9TZ]", "", frame.captured_at)
    target = folder / f"{when}_{frame.index:06d}.jpg"
    if target.exists():
        raise OutputError(f"{target}: exists already; choose another --out")
    write_bytes(target, data.tobytes())
