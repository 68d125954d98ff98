"""Answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from edgecnn.error_text import printable
from edgecnn.errors import EdgeCNNError
from edgecnn.plain_json import as_json

__all__ = ["answer", "refusal", "refusal_of"]

_FIRST, _LAST = 600, 300  # characters of a longer reason that are told: what is wrong, and the remedy


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON: dataclasses as objects, paths as text."""
    return Response(json.dumps(as_json(value)), status, media_type="application/json")


def refusal(status: int, reason: str) -> Response:
    """Why a request is refused, in one line: ``{"error": …}``. A reason may repeat what the client sent."""
    line = printable(reason)
    told = line if len(line) <= _FIRST + _LAST else f"{line[:_FIRST]}…{line[-_LAST:]}"
    return answer({"error": told}, status)


def refusal_of(error: EdgeCNNError, statuses: Sequence[tuple[type[EdgeCNNError], int]]) -> Response:
    """Why a request is refused: the message of an error, with the status of the first kind that it is, else 500."""
    return refusal(next((status for kind, status in statuses if isinstance(error, kind)), 500), str(error))
