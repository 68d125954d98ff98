"""Interfaces by which long computations report progress to a terminal, to a log, to a notebook, or to nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edgecnn.errors import MissingExtraError, UsageError

__all__ = ["Notebook", "Progress", "Reporter", "Silent", "Stages"]

_REDRAWN_S = 0.2  # least time between two states of a bar: a notebook keeps every one that it is sent


class Progress(Protocol):
    """Receives the progress of one stage."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Reports ``done`` of ``total`` steps; ``note`` appears beside the bar and in the last line."""


class Reporter(Protocol):
    """Receives the start of stages and single messages."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Announces the stages, by name and share of the work in any unit, to estimate the total time."""

    def stage(self, name: str) -> Progress:
        """Starts a stage, which ends the previous one."""

    def say(self, line: str) -> None:
        """Prints one message."""


class Silent:
    """A reporter that discards everything."""

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Ignores the plan."""

    def stage(self, name: str) -> Progress:  # noqa: ARG002
        """Starts a stage without output."""
        return lambda done, total, note="": None

    def say(self, line: str) -> None:
        """Discards the message."""


class Stages:
    """What reporters share: the stage at work, and the plan that it is part of."""

    def __init__(self) -> None:
        self.name, self.begun, self.note = "", 0.0, ""
        self._started = time.monotonic()
        self._waiting: list[tuple[str, float]] = []  # stages to come, with their share of the work
        self._planned = self._done = self._share = 0.0

    def plan(self, stages: Sequence[tuple[str, float]]) -> None:
        """Which stages come, each with its share of the work in any unit; others may come between them."""
        self._waiting = list(stages)
        self._planned, self._done, self._share = sum(share for _, share in stages), 0.0, 0.0
        self._started = time.monotonic()

    def begin(self, name: str) -> None:
        """Begins a stage; planned ones that were passed over count as done."""
        self.name, self.begun, self.note = name, time.monotonic(), ""
        self._done += self._share
        self._share = 0.0
        if any(planned == name for planned, _ in self._waiting):
            while self._waiting:
                planned, share = self._waiting.pop(0)
                if planned == name:
                    self._share = share
                    break
                self._done += share

    def left(self, fraction: float) -> str:
        """How long all of the plan still takes, ``2:10 left of all``; empty without a plan."""
        done = self._done + self._share * fraction
        if not self._planned or done <= 0.02 * self._planned:
            return ""
        seconds = (time.monotonic() - self._started) * (self._planned - done) / done
        return f"{int(seconds) // 60}:{int(seconds) % 60:02} left of all"

    def finished_line(self) -> str:
        """The stage in one line, once it is over."""
        return f"{self.name}: {f'{self.note}, ' if self.note else ''}{_duration(time.monotonic() - self.begun)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"


class Notebook(Stages):
    """A reporter for notebooks: a bar for each stage, below the cell that runs.

    >>> from edgecnn.training import TrainOptions, train
    >>> train(TrainOptions(data=Path("cats-dogs")), Notebook())

    It needs nothing but IPython, which every notebook has; other bars need widgets that the notebook's server knows.

    Raises:
        MissingExtraError: IPython is not installed.
        UsageError: this is no notebook.
    """

    def __init__(self) -> None:
        super().__init__()
        self._display = _display_of_notebook()
        self._bar: Any = None  # IPython's handle of the stage at work

    def stage(self, name: str) -> Progress:
        """Starts a stage, which ends the previous one."""
        self._finish()
        self.begin(name)
        bar = self._bar = self._new_display(*_bar(name, 0, 0, ""))
        drawn = self.begun

        def progress(done: int, total: int, note: str = "") -> None:
            nonlocal drawn
            if bar is not self._bar:  # of a stage that is over
                return
            self.note = note
            now = time.monotonic()
            if done >= total > 0:
                _show(bar, *self._line())
            elif now >= drawn + _REDRAWN_S:
                drawn = now
                left = self.left(done / total if total else 0)
                _show(bar, *_bar(name, done, total, ", ".join(part for part in (left, note) if part)))

        return progress

    def say(self, line: str) -> None:
        """Prints one message."""
        print(line, flush=True)  # noqa: T201  # a notebook shows it below the cell

    def _new_display(self, markup: str, text: str) -> Any:
        return self._display({"text/html": markup, "text/plain": text}, raw=True, display_id=True)

    def _finish(self) -> None:
        if self._bar is not None:
            _show(self._bar, *self._line())

    def _line(self) -> tuple[str, str]:
        line = self.finished_line()
        return f"<div>{_escaped(line)}</div>", line


def _bar(name: str, done: int, total: int, beside: str) -> tuple[str, str]:
    """A bar as HTML and as text."""
    state, counted = (f' max="{total}" value="{done}"', f"{done}/{total} ") if total else ("", "")
    return f"<div>{_escaped(name)} <progress{state}></progress> {counted}{_escaped(beside)}</div>", f"{name} {counted}"


def _escaped(text: str) -> str:
    from html import escape  # noqa: PLC0415  # only notebooks need it

    return escape(text)


def _display_of_notebook() -> Callable[..., Any]:
    try:
        from IPython import get_ipython  # noqa: PLC0415  # not part of any installation of EdgeCNN
        from IPython.display import display  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            "Notebook() needs IPython, which is not installed; run pip install ipython, or give no reporter"
        ) from error
    if get_ipython() is None:
        raise UsageError("Notebook() shows progress in a notebook, and this is none; give no reporter")
    return display  # type: ignore[no-any-return]  # IPython has no types here


def _show(handle: Any, markup: str, text: str) -> None:
    handle.update({"text/html": markup, "text/plain": text}, raw=True)
