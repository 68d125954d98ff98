"""At the start: loads the model that an earlier swap brought, if it is whole and the settings name no newer one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import EdgeCNNError, ModelError
from edgecnn.serving.engine.opening import open_served
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.settings.settings import ModelSettings, Settings
from edgecnn.serving.short_hash import short_hash
from edgecnn.serving.swap.stored_models import Pointer, StoredModels, sha256_of

__all__ = ["Fault", "Restored", "restore_models"]

log = logging.getLogger("edgecnn")


@dataclass(frozen=True)
class Fault:
    """A model that should serve, and cannot."""

    sha256: str
    reason: str


@dataclass(frozen=True, eq=False)
class Restored:
    """What serves under a name after a restart."""

    current: LoadedModel
    previous: LoadedModel | None
    configured_sha256: str  # of the file that the settings name
    faults: tuple[Fault, ...]  # why it is not the model that served before


def restore_models(settings: Settings, state: Path) -> dict[str, Restored]:
    """Opens, by name, the models of earlier swaps. A model that was never swapped is left out.

    A stored file that is damaged gives way to the previous one, and that to the file of the settings.

    Args:
        settings: of the service.
        state: the state folder.

    Raises:
        EdgeCNNError: none of a model's files can be opened.
    """
    found = {model.name: _restored(settings, model, StoredModels(state, model.name)) for model in settings.models}
    return {name: restored for name, restored in found.items() if restored is not None}


def _restored(settings: Settings, model: ModelSettings, store: StoredModels) -> Restored | None:
    try:
        pointer = store.pointer()
    except ModelError as error:
        log.warning("model '%s': %s; the configured file serves", model.name, error)
        opened = open_served(settings, model.name, model.file)
        return Restored(opened, None, opened.sha256, (Fault(opened.sha256, str(error)),))
    return None if pointer is None else _Opening(settings, model, store, pointer).restored()


class _Opening:
    """Opens the first whole one of the files that may serve."""

    def __init__(self, settings: Settings, model: ModelSettings, store: StoredModels, pointer: Pointer) -> None:
        self._settings = settings
        self._model = model
        self._store = store
        self._pointer = pointer
        self._faults: list[Fault] = []
        try:
            self._configured = sha256_of(model.file)
        except OSError:  # opening it, where its turn comes, tells why
            self._configured = pointer.configured

    def restored(self) -> Restored:
        pointer, error = self._pointer, None
        for sha256 in self._order():
            try:
                current = self._open(sha256)
            except EdgeCNNError as found:
                error = found
                self._faults.append(Fault(sha256, str(found)))
                log.warning("model '%s': %s; the next one is tried", self._model.name, found)
                continue
            if sha256 != self._configured:
                log.warning(
                    "model '%s': %s… of an earlier swap serves in place of %s; POST /api/rollback goes back",
                    self._model.name,
                    short_hash(sha256),
                    self._model.file,
                )
            previous = None
            if sha256 == pointer.current and pointer.previous is not None:
                previous = self._previous(pointer.previous)
            return Restored(current, previous, self._configured, tuple(self._faults))
        assert error is not None
        raise error

    def _order(self) -> Iterator[str]:
        """Hashes of the files, the best first. A file of the settings that is newer than the swap wins."""
        pointer, configured = self._pointer, self._configured
        order = [pointer.current, *([] if pointer.previous is None else [pointer.previous])]
        if configured != pointer.configured:
            log.warning("model '%s': %s is newer than the last swap, so it serves", self._model.name, self._model.file)
            order = [configured, *order]
        yield from dict.fromkeys([*order, configured])

    def _open(self, sha256: str) -> LoadedModel:
        if sha256 == self._configured:
            return open_served(self._settings, self._model.name, self._model.file)
        stored = self._store.file(sha256)
        _check_whole(stored, sha256)
        return open_served(self._settings, self._model.name, stored)

    def _previous(self, sha256: str) -> LoadedModel | None:
        try:
            return self._open(sha256)
        except EdgeCNNError as error:
            log.warning("model '%s': %s; there is no previous model", self._model.name, error)
            return None


def _check_whole(file: Path, sha256: str) -> None:
    """Raises :class:`ModelError` where a stored file is not what it was."""
    try:
        found = sha256_of(file)
    except OSError as error:
        raise ModelError(f"{file}: the stored model cannot be read: {error.strerror}; send it again") from None
    if found != sha256:
        raise ModelError(f"{file}: the stored model is damaged (its SHA-256 is {short_hash(found)}…); send it again")
