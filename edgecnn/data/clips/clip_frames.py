"""Reads the steps of a clip: the frames at which a recurrent model takes a step, at the model's input size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2

from edgecnn.data.clips.clip_folder import frames_of
from edgecnn.data.clips.sampling import StepClock
from edgecnn.errors import DataError, ImageError
from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import MAX_PIXELS, Decoded, Image, decode_for, fit_decoded, read_bytes

__all__ = ["ClipReader", "Step", "clip_digest", "first_frame"]


@dataclass(frozen=True, eq=False)
class Step:
    """A frame at which a recurrent model takes at least one step."""

    row: Image  # uint8 [H, W, 3] RGB at the model's input size
    time_s: float  # from the start of the clip
    count: int  # steps at this frame, at least 1
    begins: bool  # whether the state is reset before this step: the first one, or one after a gap in time


@dataclass(frozen=True)
class ClipReader:
    """How clips are read.

    Args:
        size: of the model's input.
        preprocess: how a frame is brought to that size.
        interval_s: seconds from one step to the next.
        fps: frames per second of folders of frames; videos have their own timestamps.
        max_pixels: larger frames are refused.
    """

    size: InputSpec
    preprocess: PreprocessSpec
    interval_s: float
    fps: float
    max_pixels: int = MAX_PIXELS

    def steps(self, clip: Path) -> Iterator[Step]:
        """Yields the steps of a clip.

        Raises:
            InputNotFoundError, SourceError, ImageError: the clip, or a frame of it, cannot be read.
            DataError: it has no frames.
        """
        clock, begins, frames = StepClock(self.interval_s), True, 0
        model = ModelInput(self.size, self.preprocess)
        for time_s, decoded, is_bgr in _frames(clip, self.fps, self.max_pixels, model):
            frames += 1
            if clock.breaks(time_s):
                clock.reset()
                begins = True
            if count := clock.due(time_s):
                fitted = fit_decoded(decoded, model)
                row = cast("Image", cv2.cvtColor(fitted, cv2.COLOR_BGR2RGB)) if is_bgr else fitted
                yield Step(row, time_s, count, begins)
                begins = False
        if not frames:
            raise DataError(f"{clip}: the clip has no frames; remove it")


def first_frame(clip: Path, max_pixels: int = MAX_PIXELS) -> Image:
    """The first frame of a clip, uint8 ``[h, w, 3]`` RGB, at its own size.

    Raises:
        InputNotFoundError, SourceError, ImageError: the clip cannot be read.
        DataError: it has no frames.
    """
    for _, found, is_bgr in _frames(clip, 1.0, max_pixels, None):
        return cast("Image", cv2.cvtColor(found.image, cv2.COLOR_BGR2RGB)) if is_bgr else found.image
    raise DataError(f"{clip}: the clip has no frames; remove it")


def _frames(clip: Path, fps: float, max_pixels: int, model: ModelInput | None) -> Iterator[tuple[float, Decoded, bool]]:
    """Time in seconds, image, and whether its colours are BGR instead of RGB."""
    if not clip.is_dir():
        from edgecnn.video.reader import video_images  # noqa: PLC0415  # folders of frames need no video decoder

        for found in video_images(str(clip), max_pixels=max_pixels):
            yield found.time_s, Decoded.whole(found.image), True
        return
    for index, path in enumerate(frames_of(clip)):
        try:
            decoded = decode_for(read_bytes(path, max_pixels), model, str(path), max_pixels)
        except ImageError as error:
            reason = str(error).removeprefix(f"{path}: ")
            raise ImageError(f"{clip}: its frame {path.name} cannot be read: {reason}") from error
        yield index / fps, decoded, False


def clip_digest(clip: Path) -> str:
    """SHA-256 of a video file, or of the hashes of a folder's frames in order, as hexadecimal text."""
    if not clip.is_dir():
        return _file_hash(clip).hexdigest()
    found = hashlib.sha256()
    for path in frames_of(clip):
        found.update(_file_hash(path).digest())
    return found.hexdigest()


def _file_hash(path: Path) -> hashlib._Hash:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found
