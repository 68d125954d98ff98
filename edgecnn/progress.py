"""How long work tells that it moves, without knowing who listens: a terminal, a log, or nobody."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress", "Reporter", "Silent"]


class Progress(Protocol):
    """Told how far one stage is."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``; ``note`` is shown beside the bar."""


class Reporter(Protocol):
    """Told which stage begins, and what is worth a line of its own."""

    def stage(self, name: str) -> Progress:
        """Begins a stage; the one before has ended."""

    def say(self, line: str) -> None:
        """A line for people."""


class Silent:
    """Tells nobody."""

    def stage(self, name: str) -> Progress:  # noqa: ARG002
        """Begins a stage that nobody watches."""
        return lambda done, total, note="": None

    def say(self, line: str) -> None:
        """Says it to nobody."""
