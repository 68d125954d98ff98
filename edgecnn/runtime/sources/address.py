"""Parses a source address: images, a video file, a camera or a stream."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from edgecnn.image.suffixes import VIDEO_SUFFIXES
from edgecnn.runtime.sources.drivers.table import DRIVERS, SCHEMES, Kind
from edgecnn.runtime.sources.redaction import secrets_in, without_passwords

__all__ = ["Address", "Kind", "parse_address", "with_colon"]


@dataclass(frozen=True)
class Address:
    """The address of a source, as the user gave it.

    ``name`` is for output and logs. ``text`` may contain a password and is never printed.
    """

    kind: Kind
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        """The text without passwords."""
        return without_passwords(self.text, whole=self._of_host)

    @property
    def live(self) -> bool:
        """Whether the source is a camera or a stream.

        Only its newest frame is used, and it may disconnect and reconnect.
        """
        return self.kind in DRIVERS

    @property
    def _of_host(self) -> bool:
        return self.kind in DRIVERS and DRIVERS[self.kind].of_host

    def hide(self, message: str) -> str:
        """Removes the passwords of this source from a message."""
        for secret in secrets_in(self.text, whole=self._of_host):
            message = message.replace(secret, "***")
        return without_passwords(message)


def with_colon(name: str | None) -> str:
    """A source's name as a line begins with it: ``fake:`` and ``csi:`` end in a colon already."""
    return f"{name}" if name and name.endswith(":") else f"{name}:"


def parse_address(source: str | os.PathLike[str]) -> Address:
    """Determines the kind of a source from its address, without opening it.

    An existing file is always a file: ``0`` in the current folder is an image, ``/dev/video0`` a camera.

    Returns:
        ``-``, a file, a folder or a pattern: ``images``; a file with a video's suffix: ``video``; ``0``,
        ``/dev/videoN``, a link to it, ``camera:NAME``: ``camera``; a text with `` ! ``: ``gstreamer``; a scheme of
        :data:`~edgecnn.runtime.sources.drivers.table.SCHEMES`, as in ``rtsp://`` or ``csi:``: its kind.
    """
    text = os.fspath(source)
    if text.startswith("camera:") or _is_video_device(text):
        return Address("camera", text)
    if _is_file(text):
        return Address("video" if Path(text).suffix.lower() in VIDEO_SUFFIXES else "images", text)
    if text.isascii() and text.isdigit():
        return Address("camera", text)
    scheme, _, rest = text.partition(":")
    kind = SCHEMES.get(scheme.lower(), "images")
    of_host = kind in DRIVERS and rest.startswith("//")  # its password may hold anything
    return Address("gstreamer" if " ! " in text and not of_host else kind, text)


def _is_video_device(text: str) -> bool:
    """Whether it is /dev/videoN, a link to one, or a name that udev gives, whether or not it is plugged in."""
    if text.startswith(("/dev/video", "/dev/v4l/")):
        return True
    try:
        return Path(text).is_symlink() and os.path.realpath(text).startswith("/dev/video")
    except (OSError, ValueError):  # longer than a name may be, or a NUL in it
        return False


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # a pipeline may be longer than a name
        return False
