"""What a run came to: ``summary.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.atomic import write_text
from edgecnn.plain_json import as_json
from edgecnn.scale.rows import ShardFacts

if TYPE_CHECKING:
    from edgecnn.runtime.decision import Status

__all__ = ["Pace", "Summary", "counted", "write_summary"]

_HOUR_S = 3600.0


@dataclass(frozen=True)
class Summary:
    """Counts are of all shards that are there, those of earlier runs too; times are of this run, except for the cost.

    The field names are the keys of ``summary.json``.
    """

    images: int  # rows that are there
    missing: int  # images of the list without a row
    answered: int
    unknown: int
    no_decision: int
    errors: int  # images that could not be read
    seconds: float
    images_per_s: float | None  # None: nothing was missing
    workers: int
    workers_lost: int
    shards: int
    shards_before: int  # that earlier runs had written
    core_hours: float  # of all shards
    cost: float | None  # core_hours at --core-price; None: no price was given
    model_sha256: str

    @property
    def gave_answers(self) -> bool:
        """Whether any image has one."""
        return bool(self.answered + self.unknown)


@dataclass(frozen=True)
class Pace:
    """How fast a run is, and what is left of it."""

    images: int  # that this run has answered
    left: int
    seconds: float  # since its first worker began
    workers: int
    core_price: float | None  # of an hour

    @property
    def line(self) -> str:
        """For people: rate, and what the rest will take and cost."""
        if not self.images or not self.seconds:
            return ""
        rate = self.images / self.seconds
        core_hours = self.left / rate * self.workers / _HOUR_S
        cost = "" if self.core_price is None else f", {core_hours * self.core_price:.2f} to pay"
        return f"{rate:.1f} images/s on {self.workers} workers, {core_hours:.2g} core-hours left{cost}"


def counted(facts: Iterable[ShardFacts]) -> tuple[int, Counter[Status], float]:
    """Images, statuses and core-hours of shards."""
    statuses: Counter[Status] = Counter()
    images, seconds = 0, 0.0
    for one in facts:
        images += one.images
        seconds += one.seconds
        statuses.update(one.statuses)
    return images, statuses, seconds / _HOUR_S


def write_summary(folder: Path, summary: Summary) -> None:
    """Writes ``summary.json``. Raises :class:`OutputError`."""
    write_text(folder / "summary.json", json.dumps(as_json(summary), indent=1) + "\n")
