"""Local cameras by number or path."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import SourceError

__all__ = ["Camera", "resolve_camera"]


@dataclass(frozen=True)
class Camera:
    """A local camera."""

    index: int  # as OpenCV counts


def resolve_camera(source: str) -> Camera:
    """``0`` or ``/dev/video0`` to a camera. Raises :class:`SourceError` where there is none."""
    number = source.removeprefix("/dev/video")
    if not number.isdigit() or (sys.platform == "linux" and not Path(f"/dev/video{number}").exists()):
        raise SourceError(f"{source}: no such camera; `ls /dev/video*` shows those that there are")
    return Camera(int(number))
