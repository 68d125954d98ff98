"""Results as the plain values that JSON has, and JSON that anybody may have written."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["UNFIT", "as_json", "encodable", "json_text", "parse_json"]

UNFIT = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
"""What is raised where JSON that anybody may have written is read as something that it is not."""

_PLAIN = frozenset((str, int, bool, type(None)))


def parse_json(text: str | bytes) -> Any:
    """Reads JSON that anybody may have written. Raises :class:`ValueError` for any other text.

    ``json.loads`` raises a :class:`RecursionError` where brackets are nested without end, which is no ValueError.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def json_text(value: Any) -> str:
    """Plain values as JSON for a file: letters of all scripts stand as they are.

    Half a surrogate pair, which JSON may hold as an escape and UTF-8 may not, stays an escape.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if encodable(text) else json.dumps(value)


def encodable(text: str) -> bool:
    """Whether UTF-8 can hold a text: half a surrogate pair, as of a file's name that is no UTF-8, it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_json(value: Any) -> Any:
    """Plain values of a result.

    Dataclasses as objects (a trailing underscore in a name only avoids a keyword), no NaN, paths as text.
    """
    kind = type(value)  # most values are plain: a service converts every decision of every camera
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if names := _field_names(kind):  # type: ignore[arg-type]  # types are hashable
        return {key: as_json(getattr(value, name)) for name, key in names}
    return _other(value)


def _other(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {}  # it has no field
    return str(value) if isinstance(value, Path) else value


@cache
def _field_names(kind: type) -> tuple[tuple[str, str], ...]:
    """Of a dataclass: the names of its fields, and their keys; empty: it is none."""
    if not dataclasses.is_dataclass(kind):
        return ()
    return tuple((field.name, field.name.rstrip("_")) for field in dataclasses.fields(kind))
