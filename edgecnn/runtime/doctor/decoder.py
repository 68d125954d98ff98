"""Compares the OpenCV of this machine with the one that decoded the images a model file was made with."""

from __future__ import annotations

from collections.abc import Iterator

import cv2

from edgecnn.data_quality.finding import Finding
from edgecnn.manifest import Manifest

__all__ = ["compare_opencv"]


def compare_opencv(manifest: Manifest, where: str) -> Iterator[Finding]:
    """A warning if both versions may decode one image to different pixels.

    From 4.12 to 5.0, for example, OpenCV began to apply the EXIF orientation of WebP files and the BT.709 colours of
    videos. Releases that differ only in the third number hold no such changes.

    Args:
        manifest: its ``opencv`` is None in files of older releases, and in float files of networks that were trained
            elsewhere; then there is nothing to say.
        where: the model file.
    """
    made, here = manifest.opencv, cv2.__version__
    if made is None or _release(made) == _release(here):
        return
    yield Finding(
        "warning",
        f"made with images that OpenCV {made} decoded, this machine has {here}: they may turn images (EXIF) and "
        "convert colours of videos (BT.709) differently",
        where,
        f"pip install 'opencv-python-headless=={'.'.join(_release(made))}.*', or check with `edgecnn val` on "
        "images of this machine",
    )


def _release(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
