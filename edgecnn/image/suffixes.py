"""What a file is by its suffix, in small letters."""

from __future__ import annotations

__all__ = ["IMAGE_SUFFIXES", "OTHER_SUFFIXES", "VIDEO_SUFFIXES"]

IMAGE_SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2", ".j2k", ".j2c", ".jpc"),
    ]
)
"""Of images that are read."""

OTHER_SUFFIXES = frozenset(
    [
        *(".heic", ".heif", ".jxl", ".jpx", ".tga", ".psd", ".svg", ".pdf", ".exr", ".hdr", ".ico", ".xcf", ".eps"),
        *(".pcx", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw"),
        *(".dcm", ".dicom", ".nii", ".npy", ".fits"),
    ]
)
"""Of images that are not read."""

VIDEO_SUFFIXES = frozenset(
    [
        *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mjpeg", ".mjpg", ".ts", ".flv", ".wmv", ".mpg", ".mpeg"),
        *(".3gp", ".3g2", ".h264", ".264", ".h265", ".265", ".hevc", ".mts", ".m2ts", ".vob", ".ogv", ".m2v", ".mxf"),
        *(".asf", ".dv", ".divx", ".f4v", ".y4m"),
    ]
)
