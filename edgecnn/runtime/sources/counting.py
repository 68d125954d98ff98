"""How many images and frames sources will give, for a progress bar."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.runtime.sources.files import ImagePaths

__all__ = ["count_frames"]


def count_frames(images: Sequence[ImagePaths], videos: Sequence[str], every: int = 1) -> int | None:
    """Images, and frames of videos as their headers say; None where these or standard input do not tell.

    Args:
        images: files in turn; counting by ``every`` begins anew with each.
        videos: paths.
        every: give only every N-th.
    """
    counts = [paths.count() for paths in images]
    if videos:
        from edgecnn.runtime.sources.video import stated_frames  # noqa: PLC0415  # images need no video decoder

        counts += [stated_frames(path) for path in videos]
    return None if None in counts else sum(-(-(count or 0) // every) for count in counts)
