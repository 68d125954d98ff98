"""A path of the service."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.serving.http.access import Access, Handler

__all__ = ["Endpoint"]


@dataclass(frozen=True)
class Endpoint:
    """A path, what answers it, and who may ask."""

    path: str  # as starlette's Route takes it
    handler: Handler
    access: Access
    method: str = "GET"
