"""Shorter comparisons of speed, for tests where a gate of speed is passed or failed by far."""

from __future__ import annotations

from edgecnn.runtime.session.model_session import ModelSession
from exporters.quantization import acceptance, mixed_precision
from exporters.quantization.speed import Race, race

__all__ = ["shorten_races"]


def shorten_races() -> None:
    """Two models race their least number of rounds, milliseconds, where `quantize` takes a second for each file."""
    acceptance.race = mixed_precision.race = _short_race


def _short_race(first: ModelSession, second: ModelSession, *_: float, **__: float) -> Race:
    return race(first, second, rounds=30, least_seconds=0.0)
