"""A frame that was decoded smaller than its file, as the capture process tells it."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.image.decoding import Decoded, Image, Part
from edgecnn.runtime.sources.frame import FrameFile

__all__ = ["PartOf"]


@dataclass(frozen=True)
class PartOf:
    """What :class:`edgecnn.preprocess.Decoded` says beside the image, and the length of the file."""

    file_bytes: int  # they lie behind the image in the shared memory
    full_height: int
    full_width: int
    part: Part
    ends_above: bool
    ends_left: bool

    @staticmethod
    def of(decoded: Decoded, file: bytes | None) -> PartOf | None:
        """None where the image is whole."""
        if decoded.part == 1 or file is None:
            return None
        return PartOf(len(file), *decoded.full_size, decoded.part, decoded.ends_above, decoded.ends_left)

    def frame_file(self, image: Image, file: bytes, max_pixels: int) -> FrameFile:
        """The file of the frame with this image, from which others may be decoded."""
        size = self.full_height, self.full_width
        return FrameFile(file, Decoded(image, size, self.part, self.ends_above, self.ends_left), max_pixels)
