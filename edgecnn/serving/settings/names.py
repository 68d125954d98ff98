"""Rules for the names of sources, regions and models, for paths and for topics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgecnn.error_text import shortened

__all__ = ["check_name", "check_path", "check_topic", "check_unique"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(name: str) -> str:
    """Returns the name. Raises :class:`ValueError` where it cannot stand in a URL, a topic and a file name."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"'{shortened(name)}' is no name; use 1 to 64 letters, digits, - and _")
    return name


def check_path(path: Path) -> Path:
    """Returns the path. Raises :class:`ValueError` where the system could not even look for it."""
    if "\0" in str(path):
        raise ValueError("a path cannot contain the character NUL; remove it")
    return path


def check_unique(what: str, names: Sequence[str]) -> None:
    """Raises :class:`ValueError` where two have the same name."""
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"two {what}s are named '{twice[0]}'; give each a name of its own")


def check_topic(topic: str) -> str:
    """Returns the first part of MQTT topics. Raises :class:`ValueError` where it cannot be one."""
    if not topic.isprintable() or set(topic) & set("+# ") or topic[:1] in {"$", "/", ""} or topic.endswith("/"):
        raise ValueError(f"'{shortened(topic)}' is no topic; use letters, digits, -, _ and / between them")
    return topic
