"""``--health``: which limits of frame health hold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgecnn.runtime.frame_quality.thresholds import HealthThresholds

__all__ = ["read_health"]


def read_health(option: str | None) -> HealthThresholds | None:
    """The option's limits; None for ``off``. Raises :class:`InputNotFoundError` or :class:`UsageError`."""
    if option == "off":
        return None
    from edgecnn.runtime.frame_quality.thresholds import HealthThresholds

    return HealthThresholds() if option is None else HealthThresholds.load(Path(option))
