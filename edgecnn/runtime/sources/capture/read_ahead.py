"""Takes frames off a source while an earlier one is decoded, and gives the newest of them.

A decoder slower than its camera would else leave frames waiting in the socket, older with each one, and nobody would
know how old.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeAlias

from edgecnn.runtime.sources.capture.frame_event import FrameEvent
from edgecnn.runtime.sources.drivers.driver import FrameIterator, Receiving, UndecodedFrame

__all__ = ["Numbered", "enumerate_frames", "read_ahead"]

Numbered: TypeAlias = "tuple[int, UndecodedFrame | Receiving]"
"""A frame with its number in the source, or a sign of life with the number of the frame to come."""


def enumerate_frames(source: FrameIterator, first: int) -> Iterator[Numbered]:
    """Numbers the frames; signs of life count for none."""
    for item in source:
        yield first, item
        first += isinstance(item, UndecodedFrame)


def read_ahead(arrivals: Iterator[Numbered], every: int) -> Iterator[Numbered]:
    """The newest of the frames that have come and are wanted, whenever one is asked for; frames that are not wanted,
    and signs of life, only where nothing else is there.

    Args:
        arrivals: read on a thread of its own; frames of it must stay as they are while the next ones come.
        every: frames whose number it divides are wanted.

    Raises:
        What reading raises, after the last frame.
    """
    wanted: deque[Numbered] = deque(maxlen=1)
    others: deque[Numbered] = deque(maxlen=1)
    over: list[BaseException | None] = []
    news = FrameEvent()

    def read() -> None:
        end: BaseException | None = None
        try:
            for index, item in arrivals:
                kept = wanted if isinstance(item, UndecodedFrame) and index % every == 0 else others
                kept.append((index, item))
                news.notify()
        except BaseException as error:  # noqa: BLE001  # told by the one who reads
            end = error
        over.append(end)
        news.notify()

    threading.Thread(target=read, daemon=True).start()
    while True:
        ended = bool(over)  # checked first, so that what came before the end is handed out before it
        found = _popped(wanted) or _popped(others)
        if found is not None:
            yield found
        elif ended:
            if over[0] is not None:
                raise over[0]
            return
        else:
            news.wait(1.0)


def _popped(kept: deque[Numbered]) -> Numbered | None:
    with suppress(IndexError):
        return kept.popleft()
    return None
