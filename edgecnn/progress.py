"""How long work reports its progress, without knowing who listens: a terminal, a log, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Progress", "Reporter", "Silent"]


class Progress(Protocol):
    """Takes how far one stage is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``; ``note`` is shown beside the bar, the last one in the stage's finished line."""


class Reporter(Protocol):
    """Takes which stage begins, and what is worth a line of its own."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Which stages come, by name, each with its share of the work in any unit: for an estimate of the whole."""

    def stage(self, name: str) -> Progress:
        """Begins a stage; the one before has ended."""

    def say(self, line: str) -> None:
        """A line for people."""


class Silent:
    """Reports to nobody."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Plans what nobody watches."""

    def stage(self, name: str) -> Progress:  # noqa: ARG002
        """Begins a stage that nobody watches."""
        return lambda done, total, note="": None

    def say(self, line: str) -> None:
        """Says it to nobody."""
