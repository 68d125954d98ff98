"""How the names of video files end."""

from __future__ import annotations

__all__ = ["VIDEO_SUFFIXES"]

VIDEO_SUFFIXES = frozenset(
    [
        *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mjpeg", ".mjpg", ".ts", ".flv", ".wmv", ".mpg", ".mpeg"),
        *(".3gp", ".3g2", ".h264", ".264", ".h265", ".265", ".hevc", ".mts", ".m2ts", ".vob", ".ogv", ".m2v", ".mxf"),
        *(".asf", ".dv", ".divx", ".f4v", ".y4m"),
    ]
)
