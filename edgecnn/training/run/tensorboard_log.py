"""``RUN/tensorboard/``: what each epoch gave, for TensorBoard; written where the package ``tensorboardX`` is installed.

tensorboardX and not ``torch.utils.tensorboard``, which needs the whole of TensorBoard, its web server included, on the
machine that trains.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from edgecnn.atomic import make_folder
from edgecnn.errors import OutputError
from edgecnn.progress import Reporter
from edgecnn.training.run.history import EpochRow

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter
    from typing_extensions import Self

__all__ = ["TAGS", "TensorBoardLog"]

TAGS = {
    "loss/train": "train_loss",
    "loss/val": "val_loss",
    "top1/val": "val_top1",
    "macro_f1/val": "val_macro_f1",
    "learning_rate": "lr",
    "images_per_s": "images_per_s",
}
"""A curve's name in TensorBoard, and the field of an epoch's row that it shows."""


class TensorBoardLog:
    """Writes a point a curve after each epoch; does nothing where tensorboardX is not installed, and says so once.

    By tensorboardX's ``EventsWriter``, not its ``SummaryWriter``: that one writes in a thread, where a full disk goes
    unheard.

    Args:
        folder: where the event files go.
        reporter: told that the package is missing.
        history: epochs of the run before it was resumed: what an earlier file has beyond them, TensorBoard leaves out.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, reporter: Reporter, history: Sequence[EpochRow] = ()) -> None:
        self._folder = folder
        self._writer: EventsWriter | None = None
        if find_spec("tensorboardX") is None:
            reporter.say("no TensorBoard log: tensorboardX is not installed; run pip install 'edgecnn[tensorboard]'")
            return
        from tensorboardX.event_file_writer import EventsWriter  # noqa: PLC0415  # an extra of its own

        first = history[-1].epoch + 1 if history else 1
        make_folder(folder)
        try:
            # files are named by the second: the epoch keeps a run that is resumed at once from writing over its own
            self._writer = EventsWriter(str(folder / "events"), f".epoch{first}")
        except OSError as error:
            raise self._cannot_write(error) from error
        if history:
            self._write(first, session_log={"status": "START"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, row: EpochRow) -> None:
        """Writes an epoch, at once, so that TensorBoard shows a run as it goes. Raises :class:`OutputError`."""
        if self._writer is not None:
            self._write(
                row.epoch,
                summary={"value": [{"tag": tag, "simple_value": getattr(row, field)} for tag, field in TAGS.items()]},
            )

    def close(self) -> None:
        """Ends the event file, in which everything stands already."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._writer = None

    def _write(self, step: int, **content: object) -> None:
        from tensorboardX.proto.event_pb2 import Event  # noqa: PLC0415

        assert self._writer is not None
        try:
            self._writer.write_event(Event(step=step, wall_time=time.time(), **content))
            self._writer.flush()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self._folder}: cannot be written: {error.strerror or error}; free space, permit writing there, or "
            "name another --out"
        )
