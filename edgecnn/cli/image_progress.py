"""A bar that tells how many images are done, how fast, and how long it will take."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["image_progress"]


@contextmanager
def image_progress(count: Callable[[], int | None], what: str = "images") -> Iterator[Callable[[int], None]]:
    """Gives what to call with the number of images done so far.

    There is a bar where standard error is a terminal and ``count`` knows how many come, else nothing. ``what`` they are
    stands beside their rate.
    """
    total = count() if sys.stderr.isatty() else None
    if total is None or total < 2:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if not task.speed else f"{task.speed:.1f} {what}/s")

    columns = (TextColumn("predicting"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    # Lines to the same terminal appear above the bar; lines to a file or a pipe are written unchanged
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty(), transient=True) as bars:
        task = bars.add_task("predicting", total=total)
        yield lambda done: bars.update(task, completed=done)
