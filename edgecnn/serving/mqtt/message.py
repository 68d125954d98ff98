"""A message to the broker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Message"]


@dataclass(frozen=True)
class Message:
    """A message. A retained one is what a later subscriber gets first."""

    topic: str
    payload: bytes
    retain: bool

    @classmethod
    def json(cls, topic: str, values: Mapping[str, Any], *, retain: bool) -> Message:
        """A message of JSON."""
        return cls(topic, json.dumps(values).encode(), retain)

    @classmethod
    def clearing(cls, topic: str) -> Message:
        """Removes what the broker retains on a topic."""
        return cls(topic, b"", retain=True)
