"""Statistics of a clip, so that a folder of clips can be checked without keeping their frames in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.clip_folder import ClipFile
from edgecnn.data.clips.clip_frames import ClipReader, clip_digest
from edgecnn.data_quality.thumbnail import Thumbnail, thumbnail
from edgecnn.errors import EdgeCNNError
from edgecnn.preprocess import Image

__all__ = ["ClipFault", "ClipStats", "read_clip_stats", "views_of"]

_KEPT = 16  # thumbnails of a clip at most


@dataclass(frozen=True)
class ClipFault:
    """A clip that cannot be read, and the reason."""

    file: ClipFile
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipStats:
    """Statistics of a readable clip."""

    file: ClipFile
    digest: str  # SHA-256, see clip_digest
    steps: int  # that a recurrent model takes in it
    views: NDArray[np.uint8]  # [4, 64, 64] grey: first, middle and last step; the median, which shows what never moves


def read_clip_stats(file: ClipFile, reader: ClipReader) -> ClipStats | ClipFault:
    """Decodes a clip and computes its statistics. Never raises for an unreadable clip."""
    kept: list[Thumbnail] = []
    steps, apart, last = 0, 1, None
    try:
        for number, step in enumerate(reader.steps(file.path)):
            steps += step.count
            last = step.row
            if number % apart == 0:
                kept.append(thumbnail(step.row))
            if len(kept) == _KEPT:  # keeps every other one, so that they stay evenly spread
                kept, apart = kept[::2], apart * 2
        digest = clip_digest(file.path)
    except (EdgeCNNError, OSError) as error:
        return ClipFault(file, str(error).removeprefix(f"{file.path}: ").split("; ")[0])
    assert last is not None, "a clip without frames was refused"
    return ClipStats(file=file, digest=digest, steps=steps, views=_views(kept, thumbnail(last)))


def views_of(rows: Sequence[Image]) -> NDArray[np.uint8]:
    """The views of a clip, see :class:`ClipStats`, from its steps: uint8 ``[H, W, 3]`` RGB each."""
    apart = -(-len(rows) // _KEPT)
    return _views([thumbnail(row) for row in rows[::apart]], thumbnail(rows[-1]))


def _views(spread: Sequence[Thumbnail], last: Thumbnail) -> NDArray[np.uint8]:
    median = np.median(np.stack(spread), axis=0).astype(np.uint8)
    return np.stack([spread[0], spread[len(spread) // 2], last, median])
