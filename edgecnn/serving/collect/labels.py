"""Checks a label that becomes the name of a folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from edgecnn.data.split_names import class_key, matching_class, splits_of_names
from edgecnn.errors import UsageError

__all__ = ["check_label"]

_MOST_CHARACTERS = 64
_MOST_BYTES = 200  # of UTF-8: file systems allow 255 a name
_NO_FILE_NAME = '/\\<>:"|?*'  # separators, and what Windows and the file systems of memory cards refuse
_INVISIBLE = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))  # of Unicode's categories
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.IGNORECASE)  # of Windows
_NOT_READ = frozenset(("__macosx", "runs"))  # folders that the reader of datasets leaves out


def check_label(label: str, folders: Iterable[str], labels: Iterable[str]) -> str:
    """Returns the folder name of a label: that of the known class that it means, else its own.

    Args:
        label: as somebody gave it.
        folders: names of the class folders that exist.
        labels: class names of the models.

    Raises:
        UsageError: it cannot be the name of a class folder. The message says why.
    """
    name = class_key(label)
    existing, known = list(folders), list(labels)
    if why := _fault(name):
        raise UsageError(f"label {_shown(name)}: {why}; give another label")
    for candidates in (existing, known):
        match = matching_class(name, candidates)
        if match is not None and not _fault(match):
            return class_key(match)
    if name in splits_of_names([*existing, name]):
        raise UsageError(f"label {_shown(name)}: training would take this folder for a split; give another label")
    return name


def _fault(name: str) -> str | None:
    """Why a name cannot be that of a class folder."""
    if not name.strip():
        return "it is empty"
    if len(name) > _MOST_CHARACTERS or len(name.encode("utf-8", "replace")) > _MOST_BYTES:
        return f"it is longer than {_MOST_CHARACTERS} characters or {_MOST_BYTES} bytes"
    return _fault_of_characters(name) or _fault_of_name(name)


def _fault_of_characters(name: str) -> str | None:
    if any(unicodedata.category(c) in _INVISIBLE for c in name):
        return "it holds a control character or an invisible one"
    if found := next((c for c in name if c in _NO_FILE_NAME), None):
        return f"it holds {found}, which no folder name may"
    return None


def _fault_of_name(name: str) -> str | None:
    if name.startswith(".") or name.endswith((".", " ")):
        return "it begins with a dot, or ends with a dot or a space"
    if _DEVICES.fullmatch(name):
        return "Windows reserves this name for a device"
    if name.casefold() in _NOT_READ:
        return "training leaves folders of this name out"
    return None


def _shown(name: str) -> str:
    """A label in a message: short, and without characters that would break the line."""
    text = ascii(name[:40]) if not name.isprintable() else f"'{name[:40]}'"
    return text if len(name) <= 40 else f"{text}…"
