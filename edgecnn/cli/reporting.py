"""Progress on standard error: one live line on a terminal, one finished line a stage everywhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgecnn.cli.output import note
from edgecnn.progress import Stages

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from edgecnn.progress import Progress, Reporter

__all__ = ["reporting"]


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A live bar for the stage at work on a terminal; elsewhere finished lines alone, so that a log stays readable."""
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lines
        lines.finish()
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _live(console) as bars:
        live = _Live(bars, console)
        yield live
        live.finish()


def _live(console: Console) -> RichProgress:
    """One line that fits 80 columns: what gives way is the note, never the bar or the counts."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=14, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
    )
    return Progress(*columns, console=console, transient=True, expand=True)


class _Live(Stages):
    """On a terminal. A stage that was interrupted leaves no line."""

    def __init__(self, bars: RichProgress, console: Console) -> None:
        super().__init__()
        self._bars, self._console = bars, console
        self._task: TaskID | None = None

    def stage(self, name: str) -> Progress:
        """Begins a stage; the one before has ended."""
        self.finish()
        self.begin(name)
        task = self._bars.add_task(name, total=None, note="")
        self._task = task

        def progress(done: int, total: int, note: str = "") -> None:
            if task != self._task:  # of a stage that is over
                return
            self.note = note
            parts = (self.left(done / total if total else 0), note)
            self._bars.update(task, completed=done, total=total, note=", ".join(p for p in parts if p))

        return progress

    def say(self, line: str) -> None:
        """A line above the bar."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def finish(self) -> None:
        """The bar of the stage becomes a line."""
        if self._task is None:
            return
        self._bars.remove_task(self._task)
        self._task = None
        self.say(self.finished_line())


class _Lines(Stages):
    """In a log."""

    def stage(self, name: str) -> Progress:
        """Begins a stage; the one before has ended."""
        self.finish()
        self.begin(name)
        begun = self.begun

        def progress(done: int, total: int, note: str = "") -> None:  # noqa: ARG001  # a log has no bar
            if begun == self.begun:  # else of a stage that is over
                self.note = note

        return progress

    def say(self, line: str) -> None:
        """A line of the log."""
        note(line)

    def finish(self) -> None:
        """The line of the stage."""
        if self.name:
            note(self.finished_line())
        self.name = ""
