"""The regions of the sources: those of the settings, until somebody draws others on the page."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgecnn.atomic import write_text
from edgecnn.errors import UsageError
from edgecnn.plain_json import parse_json
from edgecnn.runtime.streaming.region import Region
from edgecnn.serving.engine.view import View
from edgecnn.serving.settings.names import check_unique
from edgecnn.serving.settings.settings import MOST_REGIONS, RegionSettings, SourceSettings

__all__ = ["RegionStore", "ViewMove", "views_of"]

log = logging.getLogger("edgecnn")


@dataclass(frozen=True)
class ViewMove:
    """A move of a camera's view that somebody has accepted."""

    dx_share: float  # to the right, as a share of the frame's width
    dy_share: float  # down, as a share of its height
    references: str = ""  # hash of the references that it is measured against; new ones begin at 0


class RegionStore:
    """Remembers drawn regions over restarts, in ``regions.json``.

    Regions that the settings file changes since then win: each entry keeps those that it replaced.

    Args:
        folder: the state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "regions.json"
        self._lock = threading.Lock()
        self._drawn = self._read()

    def regions(self, source: SourceSettings) -> tuple[RegionSettings, ...]:
        """The regions of a source."""
        drawn = self._drawn.get(source.name)
        if drawn is None or drawn.replaced != source.regions:
            return source.regions
        return drawn.regions

    def draw(self, source: SourceSettings, regions: Sequence[RegionSettings]) -> None:
        """Replaces the regions of a source, and writes them to disk.

        Raises:
            UsageError: a region cannot be, two have the same name, or there are too many.
            OutputError: they cannot be written. The old ones stay.
        """
        if len(regions) > MOST_REGIONS:
            raise UsageError(f"{len(regions)} regions; a source has at most {MOST_REGIONS}")
        try:
            check_unique("region", [region.name for region in regions])
        except ValueError as error:
            raise UsageError(str(error)) from None
        views_of(source.name, regions)
        before = self._drawn.get(source.name)
        self._write(source.name, _Drawn(tuple(regions), source.regions, None if before is None else before.moved))

    def realign(
        self, source: SourceSettings, regions: Sequence[RegionSettings], references: Sequence[str], move: ViewMove
    ) -> None:
        """Replaces the regions of a source by those that follow its camera.

        Args:
            source: the source.
            regions: where they are now.
            references: of the view before any move.
            move: how far the camera's view has moved since the last time.

        Raises:
            OutputError: they cannot be written. The old ones stay.
        """
        before = self.move(source, references)
        moved = ViewMove(before.dx_share + move.dx_share, before.dy_share + move.dy_share, _digest(references))
        self._write(source.name, _Drawn(tuple(regions), source.regions, moved))

    def move(self, source: SourceSettings, references: Sequence[str]) -> ViewMove:
        """How far a source's view has moved from these references, as somebody has accepted it."""
        drawn = self._drawn.get(source.name)
        if drawn is None or drawn.moved is None or drawn.moved.references != _digest(references):
            return ViewMove(0.0, 0.0)
        return drawn.moved

    def _write(self, source: str, entry: _Drawn) -> None:
        with self._lock:
            drawn = {**self._drawn, source: entry}
            write_text(self._path, json.dumps({name: entry.record() for name, entry in drawn.items()}, indent=2) + "\n")
            self._drawn = drawn

    def _read(self) -> dict[str, _Drawn]:
        try:
            return {name: _Drawn.of(entry) for name, entry in parse_json(self._path.read_text()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            log.warning("%s: cannot be read (%s); the regions of the settings apply", self._path, type(error).__name__)
            return {}


@dataclass(frozen=True)
class _Drawn:
    """Regions that were drawn, and those of the settings that they replaced."""

    regions: tuple[RegionSettings, ...]
    replaced: tuple[RegionSettings, ...]
    moved: ViewMove | None  # None: the camera was never realigned

    @classmethod
    def of(cls, entry: dict[str, Any]) -> _Drawn:
        moved = entry.get("moved")
        return cls(
            tuple(RegionSettings.model_validate(region) for region in entry["regions"]),
            tuple(RegionSettings.model_validate(region) for region in entry["replaced"]),
            None if moved is None else ViewMove(moved["dx_share"], moved["dy_share"], moved["references"]),
        )

    def record(self) -> dict[str, Any]:
        return {
            "regions": [region.model_dump() for region in self.regions],
            "replaced": [region.model_dump() for region in self.replaced],
            "moved": None if self.moved is None else asdict(self.moved),
        }


def _digest(references: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(references).encode()).hexdigest()


def views_of(source: str, regions: Sequence[RegionSettings]) -> tuple[View, ...]:
    """The views of a source: its regions, or the whole frame. Raises :class:`UsageError` for an impossible region."""
    try:
        views = [View(source, region.name, Region.parse(region.roi)) for region in regions]
    except UsageError as error:
        raise UsageError(f"source '{source}': {error}") from None
    return tuple(views) or (View(source),)
