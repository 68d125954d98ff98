"""The folder of a search: where its parts lie, how long it took so far, and what it was begun with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecnn.atomic import write_text
from edgecnn.data.image_folder import scan_folder
from edgecnn.errors import DataError, UsageError
from edgecnn.plain_json import parse_json
from exporters.search.network_choice import NetworkChoice
from exporters.search.options import SearchOptions
from exporters.search.probe import Probed

__all__ = ["SearchFolder"]

# What other results would come of: a search goes on only with the same. Limits and time may change
_DECIDING = ("models", "target", "augment", "group", "seed")


@dataclass(frozen=True)
class SearchFolder:
    """Paths in the output folder."""

    root: Path

    @property
    def zoo(self) -> Path:
        """Model files to time."""
        return self.root / "zoo"

    @property
    def report(self) -> Path:
        """The page."""
        return self.root / "report.html"

    @property
    def result(self) -> Path:
        """The result as JSON."""
        return self.root / "search.json"

    @property
    def _begun(self) -> Path:
        return self.root / "begun.json"

    @property
    def _spent(self) -> Path:
        return self.root / "spent.json"

    @property
    def _probes(self) -> Path:
        return self.root / "probes.json"

    def trial(self, choice: NetworkChoice) -> Path:
        """The folder of a network's training and files."""
        return self.root / "trials" / choice.name

    def begin(self, options: SearchOptions) -> None:
        """Records what the search is begun with.

        Raises:
            UsageError: the folder holds a search with other options. Where nothing was trained yet, any may change.
            InputNotFoundError, DataError: the images cannot be used, or are others than before.
        """
        asked = {name: getattr(options, name) for name in _DECIDING}
        images = _digest(options.data)
        before = _read(self._begun) if self._has_training() else None
        if before is not None:
            for name in _DECIDING:
                if before.get(name) != asked[name]:
                    raise UsageError(
                        f"{self.root}: holds a search with {_told(name, before.get(name))}, not "
                        f"{_told(name, asked[name])}; give the same, or another --out"
                    )
            if before.get("images", images) != images:
                raise DataError(
                    f"{options.data}: its images are not those that the search in {self.root} began with, so its "
                    "networks cannot be compared with new ones; give another --out"
                )
        write_text(self._begun, json.dumps({**asked, "images": images}, indent=1))

    def _has_training(self) -> bool:
        return any(self.root.glob("trials/*/run/weights/*.pt"))

    def spent_s(self) -> float:
        """Seconds that earlier runs of this search took."""
        found = (_read(self._spent) or {}).get("seconds", 0.0)
        if not isinstance(found, (int, float)) or not 0 <= found < math.inf:
            raise _damaged(self._spent)
        return float(found)

    def record_spent(self, seconds: float) -> None:
        """Records the seconds that all runs took."""
        write_text(self._spent, json.dumps({"seconds": seconds}))

    def probes(self) -> dict[tuple[str, int], Probed]:
        """The probes that were made."""
        rows = (_read(self._probes) or {}).get("probes", [])
        try:
            return {
                (str(row["model"]), int(row["imgsz"])): Probed(int(row["errors"]), int(row["images"])) for row in rows
            }
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise _damaged(self._probes) from error

    def record_probes(self, probes: Mapping[tuple[str, int], Probed]) -> None:
        """Records probes."""
        rows = [{"model": model, "imgsz": side, **asdict(found)} for (model, side), found in probes.items()]
        write_text(self._probes, json.dumps({"probes": rows}))


def _told(name: str, value: object) -> str:
    return f"no --{name}" if value is None else f"--{name} {value}"


def _digest(data: Path) -> str:
    """Of the names and sizes of the images."""
    rows = [
        f"{image.path.relative_to(data).as_posix()} {image.path.stat().st_size}" for image in scan_folder(data).images
    ]
    return hashlib.sha256("\n".join(rows).encode(errors="surrogateescape")).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete it, or give another --out") from error
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def _damaged(path: Path) -> DataError:
    return DataError(f"{path}: is not of a search; delete it, or give another --out")
