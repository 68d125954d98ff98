"""How long one image takes on the device: measured here, or given by the device."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.runtime.analysis.zoo import ZooResult
from exporters.search.network_choice import NetworkChoice

__all__ = ["Latencies", "read_timings"]

_PRECISIONS = ("int8", "fp32")


@dataclass(frozen=True)
class Latencies:
    """Milliseconds of one image, by network and precision."""

    cpu: str
    threads: int
    ms: Mapping[tuple[NetworkChoice, str], float]

    @classmethod
    def of(cls, found: ZooResult) -> Latencies:
        """The timings of a zoo."""
        ms = {
            (NetworkChoice(each.model, each.imgsz, each.pruned), each.precision): each.latency_ms
            for each in found.timings
        }
        return cls(found.cpu, found.threads, ms)

    def best(self, choice: NetworkChoice) -> float | None:
        """Of the faster precision; None: the network was not timed."""
        found = [self.ms[choice.first, precision] for precision in _PRECISIONS if (choice.first, precision) in self.ms]
        return min(found, default=None)

    def file(self, choice: NetworkChoice, precision: str) -> float | None:
        """Of a trained file. A mixed one lies between, nearer to int8: layers that stay float are few."""
        return self.ms.get((choice.first, "int8" if precision == "mixed" else precision))

    def timed(self, choices: Iterable[NetworkChoice]) -> tuple[NetworkChoice, ...]:
        """Those that were timed in both precisions, since either may be the one that ships."""
        return tuple(choice for choice in choices if all((choice, each) in self.ms for each in _PRECISIONS))


def read_timings(path: Path) -> Latencies:
    """Reads the output of `edgecnn benchmark DIR --zoo --json`.

    Raises:
        InputNotFoundError: no such file.
        DataError: it holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        ms = {
            (NetworkChoice(str(row["model"]), int(row["imgsz"]), float(row["pruned"])), str(row["precision"])): float(
                row["latency_ms"]
            )
            for row in found["timings"]
        }
        latencies = Latencies(str(found["cpu"]), int(found["threads"]), ms)
    except OSError as error:
        raise InputNotFoundError(f"--timings {path}: cannot be read: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(
            f"--timings {path}: is not the output of `edgecnn benchmark DIR --zoo --json`; write it again on the device"
        ) from error
    if not all(0 < took < math.inf for took in latencies.ms.values()):
        raise DataError(f"--timings {path}: holds a latency that is no positive number; write it again on the device")
    return latencies
