"""Takes new model files from a folder."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from edgecnn.errors import OutputError, UsageError
from edgecnn.serving.settings.settings import Settings
from edgecnn.serving.swap.errors import AlreadyServingError, SwapBusyError, SwapRefusedError
from edgecnn.serving.swap.records import SwapTicket
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.swap.watched_record import Look, WatchedRecord

__all__ = ["FolderWatch", "check_folder"]

log = logging.getLogger("edgecnn")

_STOP_S = 0.3


class FolderWatch:
    """Looks at a folder again and again, and submits each new file once it has stopped to change.

    ``NAME.onnx`` is for the model NAME; where there is one model, any ``.onnx`` is for it. Files stay where they are.

    Args:
        folder: the folder.
        every_s: seconds between two looks.
        swaps: takes the files.
        record: remembers which files were tried.
    """

    def __init__(self, folder: Path, every_s: float, swaps: Swaps, record: WatchedRecord) -> None:
        self._folder = folder
        self._every_s = every_s
        self._swaps = swaps
        self._record = record
        self._before: dict[str, Look] = {}  # at the last look
        self._open: dict[str, SwapTicket] = {}  # swaps that have not ended, by file name
        self._told: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edgecnn-watches", daemon=True)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ends, unless a file is being checked: that ends with the process."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def look(self) -> None:
        """Looks once, and submits what is new and has looked the same at the last look."""
        found = dict(self._files())
        self._note_ended()
        self._record.keep_only(set(found))
        for name, look in found.items():
            same = self._before.get(name) == look
            if same and name not in self._open and not self._record.is_handled(name, look):
                self._take(name, look)
        self._before = found

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self.look()
                self._told.discard("")
            except OSError as error:
                self._tell_once("", f"swap.watch: {self._folder}: cannot be read: {error.strerror}")
            except Exception:  # the next look may find another file
                log.exception("swap.watch: an unexpected error; the folder is watched on")

    def _files(self) -> Iterator[tuple[str, Look]]:
        """The model files, the oldest first. Raises :class:`OSError`."""
        looks = []
        for path in self._folder.iterdir():
            if path.suffix == ".onnx" and not path.name.startswith(".") and path.is_file():
                try:
                    looks.append((path.name, Look.at(path)))
                except FileNotFoundError:
                    continue
        yield from sorted(looks, key=lambda found: (found[1].mtime_ns, found[0]))

    def _note_ended(self) -> None:
        going = {shadow.ticket.id for shadow in self._swaps.shadows}
        for name, ticket in tuple(self._open.items()):
            if ticket.id not in going:
                del self._open[name]
                self._record.done(name)

    def _take(self, name: str, look: Look) -> None:
        model = self._model_of(name)
        if model is None:
            return
        path = self._folder / name
        self._record.begin(name, look)
        try:
            self._open[name] = self._swaps.submit(path, model)
        except AlreadyServingError:
            self._record.done(name)
        except SwapRefusedError as error:
            log.warning("swap.watch: %s: %s; it is not tried again until it changes", path, error)
            self._record.done(name)
        except (SwapBusyError, OutputError) as error:
            self._record.postpone(name)
            self._tell_once(name, f"swap.watch: {path}: {error}")

    def _model_of(self, name: str) -> str | None:
        models = self._swaps.models
        stem = name.removesuffix(".onnx")
        if stem in models:
            return stem
        if len(models) == 1:
            return models[0]
        self._tell_once(name, f"swap.watch: {self._folder / name}: is none of {', '.join(models)}; name it NAME.onnx")
        return None

    def _tell_once(self, key: str, line: str) -> None:
        if key not in self._told:
            self._told.add(key)
            log.warning("%s", line)


def check_folder(settings: Settings) -> None:
    """Checks ``swap.watch``. Raises :class:`UsageError` where it cannot be watched."""
    folder = settings.swap.watch
    if folder is None:
        return
    if not folder.is_dir():
        raise UsageError(f"swap.watch: {folder}: no such folder; create it, or name another one")
    for model in settings.models:
        if model.file.resolve().parent == folder.resolve():
            # At the next start a file that was refused or rolled back there would be the configured one
            raise UsageError(
                f"swap.watch: {folder} holds {model.file.name}, which model '{model.name}' starts with; watch a folder "
                "of its own"
            )
