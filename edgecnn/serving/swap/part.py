"""Swaps as a part of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.swap.api import ModelsApi
from edgecnn.serving.swap.folder_watch import FolderWatch, check_folder
from edgecnn.serving.swap.restoring import Restored
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.swap.watched_record import WatchedRecord

__all__ = ["SwapPart"]


class SwapPart:
    """The API of the swaps, and the watched folder.

    Args:
        service: whose models are swapped.
        state: the state folder.
        restored: what earlier runs left.

    Raises:
        UsageError: the watched folder cannot be watched.
    """

    def __init__(self, service: Service, state: Path, restored: Mapping[str, Restored]) -> None:
        check_folder(service.settings)
        self.swaps = Swaps(service, state, restored)
        """What other parts call."""
        self._api = ModelsApi(self.swaps, service.settings)
        settings = service.settings.swap
        self._watch = (
            None
            if settings.watch is None
            else FolderWatch(
                settings.watch, settings.watch_s, self.swaps, WatchedRecord(state / "models" / "watched.json")
            )
        )

    def endpoints(self) -> Sequence[Endpoint]:
        """Paths of the API."""
        return self._api.endpoints()

    def start(self) -> None:
        """Begins to watch the folder."""
        self.swaps.start()
        if self._watch is not None:
            self._watch.start()

    def stop(self) -> None:
        """Ends within a second."""
        if self._watch is not None:
            self._watch.stop()
        self.swaps.stop()
