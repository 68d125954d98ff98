"""Which files are images, by suffix or first bytes, and why others are not."""

from __future__ import annotations

import re
from pathlib import Path

from edgecnn.data.left_out import Reason
from edgecnn.image.header import begins_like_image
from edgecnn.image.other_formats import name_of_format
from edgecnn.image.suffixes import IMAGE_SUFFIXES, OTHER_SUFFIXES, VIDEO_SUFFIXES

__all__ = ["is_junk", "why_left_out"]

_JUNK = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db"))  # written by file managers, meant by nobody
_SUFFIX = re.compile(r"\.[a-z0-9_]*[a-z][a-z0-9_]*")  # of "img.0002" and "Mr. Smith" the end is none
_FIRST_BYTES = 32


def is_junk(name: str) -> bool:
    """Whether a file manager wrote a file of this name: not worth a word."""
    return name.startswith("._") or name.lower() in _JUNK  # AppleDouble: what macOS keeps beside a file


def why_left_out(path: Path) -> Reason | None:
    """Why a file is not taken for an image; None where it is.

    The suffix decides; without one, the first bytes. A file with the suffix of an image is one, whatever it holds:
    whoever reads it says so.
    """
    suffix = path.suffix.lower().strip()
    if path.is_symlink() and not _is_reachable(path):
        return "broken_link"
    if suffix in IMAGE_SUFFIXES:
        return None
    if suffix in VIDEO_SUFFIXES:
        return "video"
    if suffix in OTHER_SUFFIXES:
        return "other_format"
    return _by_content(path, suffix)


def _is_reachable(path: Path) -> bool:
    try:
        path.stat()
    except OSError:  # nothing there, a loop, or a folder that may not be entered: exists() raises for the last
        return False
    return True


def _by_content(path: Path, suffix: str) -> Reason | None:
    begin = _first_bytes(path)
    if name_of_format(begin):
        return "other_format"
    if not begins_like_image(begin):
        return "not_an_image"
    return "other_suffix" if _SUFFIX.fullmatch(suffix) else None


def _first_bytes(path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would wait for a writer
            return b""
        with path.open("rb") as file:
            return file.read(_FIRST_BYTES)
    except OSError:
        return b""
