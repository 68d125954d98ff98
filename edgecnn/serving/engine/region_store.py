"""The regions of the sources: those of the settings, until somebody draws others on the page."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgecnn.atomic import write_text
from edgecnn.errors import UsageError
from edgecnn.runtime.streaming.region import Region
from edgecnn.serving.engine.view import View
from edgecnn.serving.settings.names import check_unique
from edgecnn.serving.settings.settings import RegionSettings, SourceSettings

__all__ = ["RegionStore", "views_of"]

log = logging.getLogger("edgecnn")

_MOST = 32  # regions of a source: each costs an inference a frame


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
        if len(regions) > _MOST:
            raise UsageError(f"{len(regions)} regions; a source has at most {_MOST}")
        try:
            check_unique("region", [region.name for region in regions])
        except ValueError as error:
            raise UsageError(str(error)) from None
        views_of(source.name, regions)
        with self._lock:
            drawn = {**self._drawn, source.name: _Drawn(tuple(regions), source.regions)}
            write_text(self._path, json.dumps({name: entry.record() for name, entry in drawn.items()}, indent=2) + "\n")
            self._drawn = drawn

    def _read(self) -> dict[str, _Drawn]:
        try:
            return {name: _Drawn.of(entry) for name, entry in json.loads(self._path.read_text()).items()}
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

    @classmethod
    def of(cls, entry: dict[str, list[dict[str, str]]]) -> _Drawn:
        return cls(
            tuple(RegionSettings.model_validate(region) for region in entry["regions"]),
            tuple(RegionSettings.model_validate(region) for region in entry["replaced"]),
        )

    def record(self) -> dict[str, list[dict[str, str]]]:
        return {
            "regions": [region.model_dump() for region in self.regions],
            "replaced": [region.model_dump() for region in self.replaced],
        }


def views_of(source: str, regions: Sequence[RegionSettings]) -> tuple[View, ...]:
    """The views of a source: its regions, or the whole frame. Raises :class:`UsageError` for an impossible region."""
    try:
        views = [View(source, region.name, Region.parse(region.roi)) for region in regions]
    except UsageError as error:
        raise UsageError(f"source '{source}': {error}") from None
    return tuple(views) or (View(source),)
