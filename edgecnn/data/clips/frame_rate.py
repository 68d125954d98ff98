"""The frame rate of clips that are folders of frames, which have no timestamps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgecnn.errors import UsageError
from edgecnn.manifest import Manifest

__all__ = ["check_rate", "clip_rate", "note_on_rate", "require_rate"]

_LEAST_FPS, _MOST_FPS = 1e-6, 1e6


def check_rate(manifest: Manifest, fps: float | None) -> None:
    """Raises :class:`UsageError` for a frame rate that is given to a model of single images."""
    if fps is not None and manifest.temporal is None:
        raise UsageError("--fps is for recurrent models, and this model classifies single images; leave it out")


def clip_rate(manifest: Manifest, fps: float | None) -> float:
    """Frames per second of folders of frames: as given, or the usual rate of the training clips.

    Raises as :func:`require_rate`.
    """
    assert manifest.temporal is not None
    return manifest.temporal.frame_rate if fps is None else require_rate(fps)


def require_rate(fps: float) -> float:
    """Returns a frame rate that is given. Raises :class:`UsageError` for one that no clip has."""
    if not _LEAST_FPS <= fps <= _MOST_FPS:
        raise UsageError(f"--fps {fps:g}: expected frames per second, from {_LEAST_FPS:g} to {_MOST_FPS:g}")
    return fps


def note_on_rate(manifest: Manifest, clips: Iterable[Path], fps: float | None) -> str | None:
    """One line for the user where the rate of the training clips is used; None where no clip needs it."""
    if fps is not None or manifest.temporal is None or not any(clip.is_dir() for clip in clips):
        return None
    return (
        f"folders of frames are read at {manifest.temporal.frame_rate:.3g} frames per second, the usual rate of the "
        "training clips; --fps gives another rate"
    )
