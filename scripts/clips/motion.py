"""What an object does in a made clip: its place, size, opening and light at every time.

Each clip has a phase for each of these, drawn uniformly from [0, 1). In a clip of a class, one phase changes at a
constant rate, modulo 1; the others do not change. A phase that is uniform at the start is then uniform at every time.
So single frames have the same distribution in every class: all phases are uniform and independent. Only the change
over time tells the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "LIMITS", "Motion", "Phases", "draw_phases"]

Random = np.random.Generator
Part = Literal["x", "y", "size", "opening", "light"]
PARTS: tuple[Part, ...] = ("x", "y", "size", "opening", "light")


@dataclass(frozen=True)
class Motion:
    """Which phase changes, and the range of its rate in cycles per second; negative rates run backward."""

    part: Part
    slowest: float
    fastest: float


@dataclass(frozen=True)
class Limits:
    """The range that a phase maps to. Place and size are fractions of the frame's side."""

    low: float
    high: float

    def at(self, phase: float) -> float:
        """The value at a phase in [0, 1)."""
        return self.low + phase * (self.high - self.low)


@dataclass(frozen=True)
class Phases:
    """All phases of a clip's frames, float ``[T]`` each, in [0, 1)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    size: NDArray[np.float64]
    opening: NDArray[np.float64]
    light: NDArray[np.float64]


_SLOW, _FAST = 0.5, 0.9  # cycles per second of a movement
CLASSES: dict[str, Motion] = {
    "moving-left": Motion("x", -_FAST, -_SLOW),
    "moving-right": Motion("x", _SLOW, _FAST),
    "moving-up": Motion("y", -_FAST, -_SLOW),
    "moving-down": Motion("y", _SLOW, _FAST),
    "growing": Motion("size", _SLOW, _FAST),
    "shrinking": Motion("size", -_FAST, -_SLOW),
    "opening": Motion("opening", _SLOW, _FAST),
    "closing": Motion("opening", -_FAST, -_SLOW),
    "blinking-slowly": Motion("light", 0.8, 1.2),
    "blinking-fast": Motion("light", 2.4, 3.2),
}
LIMITS: dict[str, Limits] = {
    "x": Limits(0.25, 0.75),  # of the object's middle
    "y": Limits(0.25, 0.75),
    "size": Limits(0.35, 0.75),
    "opening": Limits(0.08, 1.0),  # of the hole's height
}


def draw_phases(random: Random, motion: Motion, times_s: NDArray[np.float64]) -> Phases:
    """Draws the phases of a clip at these times, float ``[T]``, in seconds from the first frame on."""
    rate = random.uniform(motion.slowest, motion.fastest)
    phases = {part: np.full(len(times_s), random.uniform()) for part in PARTS}
    phases[motion.part] += rate * times_s
    return Phases(**{part: phase % 1 for part, phase in phases.items()})
