"""The targets by name. Each is a module with `opened`, what a fuzzer shall know of, and how long its inputs may be."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from fuzz.promises import Look

TARGETS = ("manifest", "header", "tensors", "requests", "metadata", "camera", "verdict", "bundle")
CORPUS = Path(__file__).parent / "corpus"
"""A folder for each target; in it one for each outcome that is promised."""


class Target(Protocol):
    """A module of this folder."""

    LONGEST: int  # bytes of an input
    WORDS: tuple[bytes, ...]  # that a fuzzer would not guess

    def opened(self) -> AbstractContextManager[Look]:
        """What looks at one input after the other. An input's outcome does not depend on those before it."""


def target_of(name: str) -> Target:
    """Imports it: nothing of EdgeCNN is imported before, so that a fuzzer can follow what is."""
    return cast("Target", import_module(f"fuzz.{name}_target"))
