"""Answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from edgecnn.errors import EdgeCNNError
from edgecnn.plain_json import as_json

__all__ = ["answer", "refusal", "refusal_of"]


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON: dataclasses as objects, paths as text."""
    return Response(json.dumps(as_json(value)), status, media_type="application/json")


def refusal(status: int, reason: str) -> Response:
    """Why a request is refused, in one line: ``{"error": …}``."""
    return answer({"error": reason}, status)


def refusal_of(error: EdgeCNNError, statuses: Sequence[tuple[type[EdgeCNNError], int]]) -> Response:
    """Why a request is refused: the message of an error, with the status of the first kind that it is, else 500."""
    return refusal(next((status for kind, status in statuses if isinstance(error, kind)), 500), str(error))
