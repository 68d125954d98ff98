"""What a run's reports call what it learns from, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CLIPS", "IMAGES", "STEPS", "Nouns"]


@dataclass(frozen=True)
class Nouns:
    """Words in the plural."""

    examples: str  # what the run learns from: images or clips
    answers: str  # what the figures count: images, clips, or labelled steps of clips

    @property
    def example(self) -> str:
        """One of the examples."""
        return self.examples.removesuffix("s")


IMAGES = Nouns("images", "images")
CLIPS = Nouns("clips", "clips")
STEPS = Nouns("clips", "steps")
