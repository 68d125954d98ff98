"""The swaps of all models of the service. This is what HTTP, MQTT and the watched folder call."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from edgecnn.errors import UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.swap.errors import SwapBusyError, SwapRefusedError
from edgecnn.serving.swap.model_swaps import ModelSwaps
from edgecnn.serving.swap.records import ShadowReport, SwapReport, SwapTicket
from edgecnn.serving.swap.restoring import Restored
from edgecnn.serving.swap.worker import Worker

__all__ = ["Swaps"]

_TURN_S = 30.0  # that a file waits for the check of another
_STOP_S = 0.5


class Swaps:
    """Takes new model files. Each step is published as :class:`edgecnn.serving.engine.events.SwapChanged`.

    Args:
        service: whose models are swapped.
        state: the state folder.
        restored: what earlier runs left, from :func:`edgecnn.serving.swap.restoring.restore_models`.
    """

    def __init__(self, service: Service, state: Path, restored: Mapping[str, Restored]) -> None:
        self._worker = Worker()
        self._models = {
            name: ModelSwaps(service, served, state, restored.get(name), self._worker)
            for name, served in service.models.items()
        }
        self._checking = threading.Lock()
        self._stopping = False

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, the first one first."""
        return tuple(self._models)

    @property
    def shadows(self) -> tuple[ShadowReport, ...]:
        """The swaps in their shadow, and those that wait, of all models."""
        found = (swaps.shadow for swaps in self._models.values())
        return tuple(shadow for shadow in found if shadow is not None)

    @property
    def waiting(self) -> tuple[SwapTicket, ...]:
        """The swaps that wait for :meth:`accept` or :meth:`reject`."""
        return tuple(shadow.ticket for shadow in self.shadows if shadow.state == "waiting")

    def start(self) -> None:
        """Begins. Files that nothing uses any more are removed."""
        for swaps in self._models.values():
            swaps.start()
        self._worker.start()

    def stop(self) -> None:
        """Ends within a second. A swap in its shadow is forgotten."""
        self._stopping = True
        self._worker.stop(_STOP_S)

    def new_file(self, model: str) -> Path:
        """An empty file for a model that is still arriving, on the disk where it stays. Raises :class:`OutputError`."""
        return self._of(model).new_file()

    def submit(
        self, path: Path, model: str, *, move: bool = False, name: str | None = None, ask_below: bool = False
    ) -> SwapTicket:
        """Checks a new file, which takes seconds, and begins its shadow. Returns when the checks have passed.

        Args:
            path: the model file.
            model: name of the model that it shall replace.
            move: the file may be moved away, as one from :meth:`new_file`; else it is copied.
            name: that reports show; None: the file's own.
            ask_below: a model that agrees on too few frames to take over by itself waits for :meth:`accept`; else it is
                refused.

        Raises:
            UsageError: there is no such model.
            SwapBusyError: another file is being checked, and did not end in 30 seconds.
            SwapRefusedError: the file fails a check. The old model serves on.
            OutputError: the file cannot be stored.
        """
        swaps = self._of(model)
        if not self._checking.acquire(timeout=_TURN_S):
            raise SwapBusyError("another model file is being checked; try again when that has ended")
        try:
            if self._stopping:
                raise SwapRefusedError("the service is about to end; send the file again afterwards")
            return swaps.submit(path, move=move, name=name or path.name, ask_below=ask_below)
        finally:
            self._checking.release()

    def accept(self, model: str, swap_id: str | None = None) -> SwapTicket:
        """Lets a new model take over now, whatever its shadow has seen.

        Args:
            model: name of the model.
            swap_id: of the swap; None: the one that there is.

        Raises:
            UsageError: there is no such model.
            NoSuchSwapError: there is no such swap.
            OutputError: it cannot be stored, so the old model serves on.
        """
        return self._of(model).accept(swap_id)

    def reject(self, model: str, swap_id: str | None = None) -> SwapTicket:
        """Ends a swap; the old model serves on. Arguments and errors are those of :meth:`accept`."""
        return self._of(model).reject(swap_id)

    def roll_back(self, model: str) -> SwapTicket:
        """Lets the previous model serve again, from the next frame on. The other becomes the previous one.

        Raises:
            UsageError: there is no such model.
            NoSuchSwapError: it has no previous one.
            OutputError: it serves, but a restart would undo that.
        """
        return self._of(model).roll_back()

    def report(self, model: str) -> SwapReport:
        """What serves under a name, and the swap that is under way. Raises :class:`UsageError`: no such model."""
        return self._of(model).report()

    def serves(self, model: str, sha256: str) -> bool:
        """Whether the file with this hash serves. Raises :class:`UsageError`: no such model."""
        return self._of(model).serves(sha256)

    def _of(self, model: str) -> ModelSwaps:
        found = self._models.get(model)
        if found is None:
            raise UsageError(f"there is no model '{model}'; there are {', '.join(self._models)}")
        return found
