"""The CSV file of a soak: a row of levels for each sample, with the frames that were decided on by then."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TextIO

from levels import Levels

__all__ = ["Sample", "SoakLog", "read_samples"]


@dataclass(frozen=True)
class Sample:
    """A moment of the run."""

    seconds: float  # since the first sample
    frames: int  # decided on, of both sources
    reconnects: int  # of both sources
    quiet: bool  # both sources were up before and after the levels were read
    levels: Levels


_OWN = [field.name for field in fields(Sample) if field.name != "levels"]
_LEVELS = [field.name for field in fields(Levels)]


class SoakLog:
    """Writes samples as they come, so that a run that is cut short leaves what it saw."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.DictWriter(file, [*_OWN, *_LEVELS], lineterminator="\n")
        self._rows.writeheader()

    def add(self, sample: Sample) -> None:
        """Writes a row."""
        own = {name: getattr(sample, name) for name in _OWN}
        levels = asdict(sample.levels)
        self._rows.writerow({k: round(v, 3) if isinstance(v, float) else v for k, v in {**own, **levels}.items()})
        self._file.flush()


def read_samples(path: Path) -> list[Sample]:
    """All rows of a log."""
    with path.open(newline="") as file:
        return [_sample(row) for row in csv.DictReader(file)]


def _sample(row: dict[str, str]) -> Sample:
    levels = {name: (float if name.endswith("_mb") else int)(row[name]) for name in _LEVELS}
    return Sample(
        seconds=float(row["seconds"]),
        frames=int(row["frames"]),
        reconnects=int(row["reconnects"]),
        quiet=row["quiet"] == "True",
        levels=Levels(**levels),
    )
