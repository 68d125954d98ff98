"""Whole frames out of interlaced video.

A frame of interlaced video holds two instants, one in its even lines and one in its odd lines: what moves is combed.
No network was trained on that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Generic, TypeVar

from av import VideoFrame
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NoMore
from av.filter import Graph

__all__ = ["Deinterlacer"]

Tag = TypeVar("Tag")

_OUTPUTS_EACH = "send_frame"  # one frame for each that goes in, not one for each field


class Deinterlacer(Generic[Tag]):
    """Passes progressive frames through and, from the first interlaced one on, sends all through FFmpeg's bwdif.

    That filter needs the next frame too, so a frame then comes out one later; its tag comes with it.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._format: tuple[int, int, str] | None = None  # width, height and pixel format that the graph takes
        self._tags: deque[Tag] = deque()

    def push(self, frame: VideoFrame, tag: Tag, *, interlaced: bool) -> Iterator[tuple[VideoFrame, Tag]]:
        """Takes one frame; yields those that are ready.

        Args:
            frame: as the decoder gave it.
            tag: what shall come out with it.
            interlaced: whether it is, by its own flag or by its file's.
        """
        found = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and found != self._format:
            yield from self.flush()
        if self._graph is None:
            if not interlaced:
                yield frame, tag
                return
            self._graph, self._format = _graph(frame, flagged=frame.interlaced_frame), found
        self._tags.append(tag)
        self._graph.push(frame)
        yield from self._ready(self._graph)

    def flush(self) -> Iterator[tuple[VideoFrame, Tag]]:
        """Yields what is still inside; the next interlaced frame begins anew."""
        graph, self._graph = self._graph, None
        if graph is not None:
            with suppress(NoMore):
                graph.push(None)
            yield from self._ready(graph)
        self._tags.clear()

    def clear(self) -> None:
        """Forgets what is inside: what comes next does not follow on it."""
        self._graph = None
        self._tags.clear()

    def _ready(self, graph: Graph) -> Iterator[tuple[VideoFrame, Tag]]:
        with suppress(NothingYet, NoMore):
            while self._tags:
                frame = graph.pull()
                assert isinstance(frame, VideoFrame)
                yield frame, self._tags.popleft()


def _graph(frame: VideoFrame, *, flagged: bool) -> Graph:
    """``flagged``: the frames say themselves whether they are interlaced; else all are."""
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    which = "interlaced" if flagged else "all"
    chain = (source, graph.add("bwdif", f"mode={_OUTPUTS_EACH}:parity=auto:deint={which}"), graph.add("buffersink"))
    graph.link_nodes(*chain).configure()
    return graph
