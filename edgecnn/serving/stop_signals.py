"""SIGTERM and Ctrl-C, as a request to end, and a limit on how long the end may take."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from types import FrameType

from edgecnn.runtime.sources.capture.frame_event import FrameEvent

__all__ = ["EndLimit", "StopSignals"]

_LONGEST_END_S = 2.8
_BY_SIGNAL = 128  # the shells' exit code for an end by a signal


class StopSignals:
    """SIGTERM and Ctrl-C, as a request to end. Further ones change nothing: the end is near.

    A handler runs wherever the main thread is, also within its own wait. A :class:`threading.Event` would there wait
    for a lock that this thread holds; :class:`FrameEvent` needs none.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._asked = FrameEvent()
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT)}

    def wait(self, timeout_s: float) -> bool:
        """Whether the end was asked for, in this time."""
        if self.received is None:
            self._asked.wait(timeout_s)
        return self.received is not None

    def restore(self) -> None:
        """Gives the signals back, or ignores them where one was received: the process ends, and a further signal must
        not change how."""
        for number, handler in self._before.items():
            signal.signal(number, handler if self.received is None else signal.SIG_IGN)

    def _hear(self, number: int, _: FrameType | None) -> None:
        self.received = self.received or number
        self._asked.notify()


class EndLimit:
    """Ends the process where it has not ended by itself in time after SIGTERM or Ctrl-C.

    The main thread may be busy for longer, as with the opening of a large model. So another thread waits for the signal
    and counts. Nothing is lost by it: all files are written atomically, and the system frees all locks.

    Args:
        longest_s: seconds from the first signal to the end.
    """

    def __init__(self, longest_s: float = _LONGEST_END_S) -> None:
        self._longest_s = longest_s
        self._lifted = threading.Event()
        self._heard, self._hears = socket.socketpair()
        self._hears.setblocking(False)
        # Python writes each signal's number there at once, even while the main thread is in the code of a library
        self._before = signal.set_wakeup_fd(self._hears.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._run, name="edgecnn-end", daemon=True).start()

    def lift(self) -> None:
        """Waits for signals no longer."""
        signal.set_wakeup_fd(self._before)
        self._lifted.set()
        self._hears.close()

    def _run(self) -> None:
        while (number := self._heard.recv(1)) and number[0] not in {signal.SIGTERM, signal.SIGINT}:
            pass
        if not number:
            self._heard.close()  # not before: Python would report each further signal that it cannot write
        elif not self._lifted.wait(self._longest_s):
            with suppress(OSError):
                os.write(2, b"edgecnn: something did not stop in time; the process was ended\n")
            os._exit(0 if number[0] == signal.SIGTERM else _BY_SIGNAL + number[0])
