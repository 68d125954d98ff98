"""``bundle.json``: what a bundle is, its version, and the SHA-256 of each of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from edgecnn.error_text import format_remedy, shortened
from edgecnn.serving.bundle.folder import COPY_AGAIN

__all__ = ["INDEX", "MAX_INDEX_BYTES", "NEWEST_VERSION", "BundleIndex", "IndexFaultError"]

INDEX = "bundle.json"
MAX_INDEX_BYTES = 4 << 20  # 10,000 files take 1.2 MB
NEWEST_VERSION = 2**53 - 1  # a JSON number that every reader takes exactly
_FORMAT = 1
_LONGEST_NAME, _SHOWN = 1_000, 200
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("created_at", "edgecnn", "target", "python")


class IndexFaultError(Exception):
    """``bundle.json`` cannot be used; the text says why.

    Args:
        why: it cannot be used.
        remedy: what to do about it.
    """

    def __init__(self, why: str, remedy: str = COPY_AGAIN) -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class BundleIndex:
    """The content of ``bundle.json``."""

    created_at: str  # RFC 3339
    edgecnn: str  # the version that wrote it
    target: str
    python: str
    version: int  # of the bundle; a newer one has a larger number
    support_until: str | None  # the last day, YYYY-MM-DD; None: not stated
    files: Mapping[str, str]  # SHA-256 by relative path: all files except this one and the signature
    format: int = _FORMAT

    def to_json(self) -> str:
        """As text, for the file."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, content: bytes) -> BundleIndex:
        """Reads the file, which may come from anyone. Unknown keys are ignored.

        Raises :class:`IndexFaultError`.
        """
        if len(content) > MAX_INDEX_BYTES:
            raise IndexFaultError(f"is larger than {MAX_INDEX_BYTES >> 20} MiB")
        try:
            found = json.loads(content, object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise IndexFaultError("is not valid JSON") from error
        if not isinstance(found, dict):
            raise IndexFaultError("is not a JSON object")
        if (form := found.get("format")) != _FORMAT:
            raise IndexFaultError(
                f"has {_shown_format(form)}, this version of EdgeCNN reads {_FORMAT}",
                format_remedy(form, _FORMAT, COPY_AGAIN),
            )
        for key in _TEXTS:
            if not isinstance(found.get(key), str):
                raise IndexFaultError(f"has no text '{key}'")
        return cls(
            **{key: found[key] for key in _TEXTS},
            version=_version(found.get("version")),
            support_until=_day(found.get("support_until")),
            files=_files(found.get("files")),
        )

    def with_files(self, files: Mapping[str, str]) -> BundleIndex:
        """The same with the files' SHA-256 filled in."""
        return replace(self, files=files)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two equal keys they take."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _shown_format(form: object) -> str:
    return f"format {shortened(str(form), 20)}" if isinstance(form, int | str) else "no number as 'format'"


def _version(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= NEWEST_VERSION:
        raise IndexFaultError("has no whole number above 0 as 'version'")
    return value


def _day(value: object) -> str | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise IndexFaultError("has no date YYYY-MM-DD as 'support_until'") from error


def _files(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        raise IndexFaultError("has no 'files'")
    for name, digest in value.items():
        if not _stays_inside(name):
            raise IndexFaultError(f"names a file outside of the folder: '{shortened(name, _SHOWN)}'")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise IndexFaultError(f"has no SHA-256 of '{shortened(name, _SHOWN)}'")
    return value


def _stays_inside(name: str) -> bool:
    """Whether a path is relative and plain, on Windows too."""
    parts = name.split("/")
    return len(name) <= _LONGEST_NAME and not (
        "\\" in name or ":" in name or "\0" in name or any(part in ("", ".", "..") for part in parts)
    )
