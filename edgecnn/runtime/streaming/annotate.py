"""Annotated images: written to a folder as images and videos, or shown in a window."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edgecnn.atomic import check_apart, make_folder, write_bytes
from edgecnn.errors import ImageError, OutputError, UsageError
from edgecnn.preprocess import Image
from edgecnn.runtime.decision import Prediction
from edgecnn.runtime.sources.frame import Frame
from edgecnn.runtime.sources.opencv_io import opencv_accepts
from edgecnn.runtime.sources.video import video_rate
from edgecnn.runtime.streaming.region import Region

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Album", "VideoWriter", "Window", "annotate", "banner_text"]

_COLORS = {"ok": (80, 175, 76), "unknown": (0, 165, 255)}  # BGR: green, orange; anything else is red
_RED = (60, 60, 220)
_FONT, _INDENT = cv2.FONT_HERSHEY_SIMPLEX, 4  # pixels
_MIN_SCALE = 0.25  # of the font: smaller letters cannot be read, and the end of a long answer is cut off instead
_STREAM_FPS = 10.0  # of a written stream: its frames come as they come, so each stands until the next
_LONGEST_S = 10.0  # that one frame stands for: an outage is cut to it
_MIN_FREE_BYTES = 64 * 2**20  # a video writer says nothing of a full disk
_LONGEST_STEM = 200  # bytes: a name has 255 at most, and a temporary file's is longer than what it becomes
_TITLE = "edgecnn"
_CLOSING_KEYS = (27, ord("q"))


def banner_text(prediction: Prediction) -> str:
    """Returns a short text for the prediction."""
    top = prediction.top[0] if prediction.top else None
    if prediction.status == "ok":
        return f"{prediction.label} {prediction.score or 0:.2f}"
    if prediction.status == "unknown":
        return f"unknown ({top.label} {top.score:.2f})" if top else "unknown"
    return f"no decision: {(prediction.reason or '').partition(':')[0]}" if prediction.reason else "no decision"


def annotate(frame: Frame, prediction: Prediction) -> Image:
    """Returns the image, BGR, with a banner above it that shows the prediction, and a frame around its region."""
    whole = frame.full_image()
    banner, color = max(24, whole.shape[0] // 12), _COLORS.get(prediction.status, _RED)
    plain_bgr = whole if frame.color == "bgr" else cv2.cvtColor(whole, cv2.COLOR_RGB2BGR)
    image = cv2.copyMakeBorder(plain_bgr, banner, 0, 0, 0, cv2.BORDER_CONSTANT, value=color)
    if prediction.region is not None and frame.region is None:
        _draw_region(image[banner:], Region.parse(prediction.region), color)
    plain = banner_text(prediction).encode("ascii", "replace").decode()  # OpenCV's font has no other letters
    scale = banner / 40
    (width, _), _ = cv2.getTextSize(plain, _FONT, scale, max(1, round(2 * scale)))
    scale = max(_MIN_SCALE, scale * min(1.0, (image.shape[1] - 2 * _INDENT) / width))
    cv2.putText(
        image,
        plain,
        (_INDENT, int(banner * 0.75)),
        _FONT,
        scale,
        (255, 255, 255),
        max(1, round(2 * scale)),
        cv2.LINE_AA,
    )
    return image  # type: ignore[return-value]


def _draw_region(image: cv2.typing.MatLike, region: Region, color: tuple[int, int, int]) -> None:
    """Draws a frame around a region, within it; nothing where the image does not hold the region."""
    with suppress(ImageError):
        left, top, right, bottom = region.box(*image.shape[:2])
        thick = max(1, min(image.shape[:2]) // 240)
        part = image[top:bottom, left:right]
        part[:thick], part[-thick:], part[:, :thick], part[:, -thick:] = color, color, color, color


class Album:
    """Writes annotated images into a folder as JPEG, and the frames of videos and cameras as one video per source.

    Raises :class:`OutputError`.

    Args:
        folder: output folder, created if it does not exist.
        every: only every N-th frame is added; sets the frame rate of the output.
    """

    def __init__(self, folder: Path, every: int = 1) -> None:
        make_folder(folder)
        self._folder = folder
        self._every = every
        self._videos: dict[str, VideoWriter] = {}
        self._clips: dict[Path, Path] = {}  # of folders of frames: where their images are written

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Writes one image or frame."""
        image = annotate(frame, prediction)
        if frame.kind != "image":
            self._video(frame).add(image, frame.captured_monotonic_s if frame.kind == "stream" else None)
            return
        done, data = cv2.imencode(".jpg", image)
        stem = os.fsdecode(os.fsencode(Path(frame.name).stem)[:_LONGEST_STEM])
        folder = self._folder if frame.media_time_s is None else self._clip(Path(frame.name).parent)
        target = folder / f"{frame.index:06d}_{stem}.jpg"
        if not done:
            raise OutputError(f"{target}: OpenCV cannot encode the image; choose another --save")
        write_bytes(target, data.tobytes())

    def close(self) -> None:
        """Closes the videos."""
        for video in self._videos.values():
            video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _clip(self, frames: Path) -> Path:
        """The folder for a clip of images: frames of several clips have the same names and numbers."""
        if frames not in self._clips:
            taken = {folder.name for folder in self._clips.values()}
            stem = os.fsdecode(os.fsencode(frames.name)[:_LONGEST_STEM]) or "clip"
            name = next(n for n in chain((stem,), (f"{stem}_{i}" for i in count(2))) if n not in taken)
            make_folder(self._folder / name)
            self._clips[frames] = self._folder / name
        return self._clips[frames]

    def _video(self, frame: Frame) -> VideoWriter:
        if frame.name not in self._videos:
            stem = (
                Path(frame.name).stem
                if frame.kind == "video"
                else re.sub(r"[^\w.-]+", "_", frame.name).strip("_")[:100]
            )
            fps = video_rate(frame.name) / self._every if frame.kind == "video" else _STREAM_FPS
            taken = {video.path.stem for video in self._videos.values()}
            name = next(n for n in (stem or "video", *(f"{stem}_{i}" for i in range(2, 10_000))) if n not in taken)
            target = self._folder / f"{name}.mkv"
            if frame.kind == "video":
                check_apart(target, frame.name)
            self._videos[frame.name] = VideoWriter(target, fps)
        return self._videos[frame.name]


class VideoWriter:
    """Writes frames as MPEG-4 in Matroska, which stays playable if the program is killed.

    Raises :class:`OutputError`.

    Args:
        path: output file with the suffix ``.mkv``; an existing file is replaced.
        fps: frames per second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path = path
        self._fps = fps
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # width, height
        self._start_s: float | None = None
        self._written = 0
        self._checked_s = float("-inf")

    def add(self, image: Image, time_s: float | None = None) -> None:
        """Writes a frame, uint8 ``[H, W, 3]`` BGR.

        If ``time_s`` is given, repeats or skips frames to keep the video in step with it.
        """
        writer = self._writer or self._open(image)
        self._check_space()
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        for _ in range(1 if time_s is None else self._due(time_s)):
            writer.write(image)
            self._written += 1

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def _due(self, time_s: float) -> int:
        self._start_s = time_s if self._start_s is None else self._start_s
        due, most = int((time_s - self._start_s) * self._fps) + 1 - self._written, int(_LONGEST_S * self._fps)
        if due <= most:
            return due
        # Frames that follow do not make up for a part that was cut
        self._start_s = time_s - (self._written + most - 1) / self._fps
        return most

    def _open(self, image: Image) -> cv2.VideoWriter:
        height, width = (side - side % 2 for side in image.shape[:2])  # the codec takes even sides
        self._size = (width, height)
        if not opencv_accepts(str(self.path)):
            raise OutputError(f"{self.path}: the file name is not UTF-8, which OpenCV requires; choose another --save")
        with suppress(OSError):
            self.path.unlink()
        writer = cv2.VideoWriter(str(self.path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), self._fps, self._size)
        if not writer.isOpened():
            raise OutputError(
                f"{self.path}: cannot be written as a video; allow writing there, or choose another --save"
            )
        self._writer = writer
        return writer

    def _check_space(self) -> None:
        now = time.monotonic()
        if now - self._checked_s < 1:
            return
        self._checked_s = now
        free = shutil.disk_usage(self.path.parent).free
        if free < _MIN_FREE_BYTES:
            raise OutputError(
                f"{self.path}: {free / 2**20:.0f} MiB free disk space left; free disk space, or choose another --save"
            )


class Window:
    """Shows annotated images in a window. Raises :class:`UsageError` if OpenCV was built without windows."""

    def __init__(self) -> None:
        try:
            cv2.namedWindow(_TITLE, cv2.WINDOW_AUTOSIZE)
        except cv2.error as error:
            raise UsageError(
                "--show: this OpenCV has no windows; install opencv-python in place of opencv-python-headless, or "
                "use --save DIR"
            ) from error
        self.closed = False
        """Whether the user pressed q or Esc."""

    def add(self, frame: Frame, prediction: Prediction) -> None:
        """Shows one image."""
        cv2.imshow(_TITLE, annotate(frame, prediction))
        self.closed = cv2.waitKey(1) & 0xFF in _CLOSING_KEYS
