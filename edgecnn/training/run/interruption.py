"""Ctrl-C and SIGTERM wait for the end of a step, so that what is saved is whole."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from typing_extensions import Self

__all__ = ["Interruption"]


class Interruption:
    """Holds the first signal back while the ``with`` block runs; a second one acts at once.

    In a thread other than the main one, where Python takes no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None

    @property
    def asked(self) -> bool:
        """Whether a signal waits."""
        return self._asked is not None

    def act(self) -> None:
        """Does what the held signal would have done."""
        if self._asked is not None:
            signum, self._asked = self._asked, None
            self._pass_on(signum, None)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for signum in (signal.SIGINT, signal.SIGTERM):
                if callable(
                    signal.getsignal(signum)
                ):  # an ignored signal stays ignored, and a default one ends the process as ever
                    self._before[signum] = signal.signal(signum, self._hold)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if kind is None:
            self.act()

    def _hold(self, signum: int, frame: FrameType | None) -> None:
        if self._asked is not None:
            self._pass_on(signum, frame)
        self._asked = signum

    def _pass_on(self, signum: int, frame: FrameType | None) -> None:
        self._before[signum](signum, frame)
