"""The run folder: where everything of a run lies, and that nothing of an earlier one is lost."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgecnn.atomic import make_folder, write_text
from edgecnn.errors import InputNotFoundError, OutputError, UsageError
from edgecnn.folder_lock import folder_lock
from edgecnn.training.data.examples import Examples

__all__ = ["RunFolder", "next_free", "open_run", "write_split_csv"]


@dataclass(frozen=True)
class RunFolder:
    """Paths inside a run folder."""

    root: Path

    @property
    def best(self) -> Path:
        """The checkpoint that did best on the validation images."""
        return self.root / "weights" / "best.pt"

    @property
    def last(self) -> Path:
        """The newest checkpoint, to resume from."""
        return self.root / "weights" / "last.pt"

    @property
    def previous(self) -> Path:
        """The one before, should the newest be damaged."""
        return self.root / "weights" / "last.previous.pt"

    @property
    def unpruned(self) -> Path:
        """The network that a run with ``--prune`` made smaller, and learns from."""
        return self.root / "weights" / "unpruned.pt"

    @property
    def results(self) -> Path:
        """A row an epoch."""
        return self.root / "results.csv"

    @property
    def split(self) -> Path:
        """Which image was on which side."""
        return self.root / "split.csv"

    @property
    def summary(self) -> Path:
        """The result and how it came about."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The same for people."""
        return self.root / "report.html"

    @property
    def diverged(self) -> Path:
        """The images of the step after which there were no numbers any more."""
        return self.root / "diverged.txt"

    @property
    def tensorboard(self) -> Path:
        """Event files, where they were asked for."""
        return self.root / "tensorboard"

    @property
    def holds_a_run(self) -> bool:
        """Whether anything here would be overwritten."""
        return any(p.exists() for p in (self.best.parent, self.results, self.split, self.summary, self.report))

    def discard_if_empty(self) -> None:
        """Removes the folder that was made for a run which could not begin, and `runs/train` where nothing is left."""
        numbered = self.root.name.isdecimal() and self.root.parent == Path("runs") / "train"
        for folder in (self.root, *(self.root.parents[:2] if numbered else ())):
            try:
                folder.rmdir()
            except OSError:  # not empty: something else is in it
                return

    def clear(self) -> None:
        """Removes an earlier run, once the new one is sure to begin; other files stay."""
        for folder in (self.best.parent, self.tensorboard):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (self.results, self.split, self.summary, self.report):
            path.unlink(missing_ok=True)


@contextmanager
def open_run(out: Path | None, *, resume: bool, force: bool, say: Callable[[str], None]) -> Iterator[RunFolder]:
    """Makes the run folder, or finds the one to resume, and holds its lock.

    A folder that is empty at the end is removed: a command that failed leaves no ``runs/train/1`` behind.

    Raises:
        UsageError: ``resume`` without a folder, or a folder that holds a run without ``resume`` or ``force``.
        InputNotFoundError: nothing to resume there.
        OutputError: the folder cannot be made, or another run is writing into it.
    """
    run = _find_run(out) if resume else RunFolder(next_free(Path("runs") / "train") if out is None else out)
    make_folder(run.root)
    try:
        with folder_lock(run.root, "--out", say):
            if not resume and not force and run.holds_a_run:  # with the lock held: a run may just have ended here
                raise UsageError(
                    f"{out}: holds a run already; go on with it by --resume, replace it by --force, or name another "
                    "--out"
                )
            yield run
    finally:
        run.discard_if_empty()


def _find_run(out: Path | None) -> RunFolder:
    if out is None:
        raise UsageError("--resume: name the run to go on with, by --out RUN")
    run = RunFolder(out)
    if not run.last.exists() and not run.previous.exists():
        raise InputNotFoundError(
            f"{run.last}: no such checkpoint, so there is nothing to resume; check --out, or train without --resume"
        )
    return run


def write_split_csv(path: Path, data: Examples) -> None:
    """``path,label,split``, paths relative to the data folder, with forward slashes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("path", "label", "split"))
    rows.writerows((s.path.relative_to(data.root).as_posix(), data.labels[s.label], s.split) for s in data.samples)
    write_text(path, text.getvalue())


def next_free(parent: Path) -> Path:
    """The next numbered folder.

    Made, not only looked up, so that two runs started together get two. Raises :class:`OutputError`.
    """
    number = 1
    make_folder(parent)
    while True:
        try:
            (parent / str(number)).mkdir()
            return parent / str(number)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise OutputError(
                f"{parent}: cannot be written: {error.strerror}; permit writing there, or name another --out"
            ) from error
