"""Interfaces by which long computations report progress to a terminal, to a log, or to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Progress", "Reporter", "Silent"]


class Progress(Protocol):
    """Receives the progress of one stage."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Reports ``done`` of ``total`` steps; ``note`` appears beside the bar and in the last line."""


class Reporter(Protocol):
    """Receives the start of stages and single messages."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Announces the stages, by name and share of the work in any unit, to estimate the total time."""

    def stage(self, name: str) -> Progress:
        """Starts a stage, which ends the previous one."""

    def say(self, line: str) -> None:
        """Prints one message."""


class Silent:
    """A reporter that discards everything."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Ignores the plan."""

    def stage(self, name: str) -> Progress:  # noqa: ARG002
        """Starts a stage without output."""
        return lambda done, total, note="": None

    def say(self, line: str) -> None:
        """Discards the message."""
