"""Answers as JSON."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response

from edgecnn.plain_json import as_json

__all__ = ["answer", "refusal"]


def answer(value: Any, status: int = 200) -> Response:
    """A value as JSON: dataclasses as objects, paths as text."""
    return Response(json.dumps(as_json(value)), status, media_type="application/json")


def refusal(status: int, reason: str) -> Response:
    """Why a request is refused, in one line: ``{"error": …}``."""
    return answer({"error": reason}, status)
