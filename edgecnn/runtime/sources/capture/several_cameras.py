"""Reads several cameras and streams at once, in turn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgecnn.runtime.sources.address import Address
from edgecnn.runtime.sources.capture.frame_event import FrameEvent
from edgecnn.runtime.sources.capture.live import LiveSource
from edgecnn.runtime.sources.capture.live_options import Counters, Ended, LiveOptions, Outage
from edgecnn.runtime.sources.frame import Frame

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Cameras"]


class Cameras:
    """Iterator over the newest frames and the outages of live sources. Starts when its ``with`` block is entered.

    Raises (while iterating):
        SourceError: a source cannot be opened and retrying cannot help.
    """

    def __init__(self, addresses: Sequence[Address], options: LiveOptions) -> None:
        self._addresses = addresses
        self._options = options
        self._sources: tuple[LiveSource, ...] = ()
        self._news = FrameEvent()

    @property
    def counters(self) -> dict[str, Counters]:
        """Counters by source name."""
        return {source.name: source.counters for source in self._sources}

    def __enter__(self) -> Self:
        self._sources = tuple(
            LiveSource(address, self._options, self._news, name=name)
            for address, name in zip(self._addresses, _names(self._addresses), strict=True)
        )
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._sources:  # all are asked to end before any is waited for
            source.stop()
        for source in self._sources:
            source.close()

    def __iter__(self) -> Iterator[Frame | Outage]:
        active = list(self._sources)
        while active:
            if not any(source.has_news() for source in active):
                self._news.wait(1.0)
            if len(active) == 1:  # waiting for one camera's next frame must not delay the others
                active[0].await_due()
            for source in tuple(active):  # each in turn, so that a quick camera keeps no other waiting
                taken = source.take()
                if isinstance(taken, Ended):
                    active.remove(source)
                elif taken is not None:
                    yield taken


def _names(addresses: Sequence[Address]) -> list[str]:
    """Returns unique names. Addresses without passwords may be equal, but each camera has its own pipeline."""
    seen = Counter[str]()
    names = []
    for address in addresses:
        seen[address.name] += 1
        number = seen[address.name]
        names.append(address.name if number == 1 else f"{address.name} ({number})")
    return names
