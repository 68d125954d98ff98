"""Labels at every step of a clip, from a table of labelled time spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.clips.clip_folder import ClipFile, ClipFolder, is_clip
from edgecnn.data.clips.span_table import LabelSpan, read_span_table
from edgecnn.errors import DataError

__all__ = ["UNLABELLED", "FrameLabels"]

UNLABELLED = -1
"""The class index of a step without a label: it is neither learned nor evaluated."""


@dataclass(frozen=True)
class FrameLabels:
    """The labelled spans of each clip."""

    spans: Mapping[Path, Sequence[LabelSpan]]  # sorted by time; they do not overlap

    @classmethod
    def read(cls, table: Path, root: Path) -> FrameLabels:
        """Reads a table ``clip,start_s,end_s,label``; clips are relative to ``root``.

        Raises as :func:`edgecnn.data.clips.span_table.read_span_table`.
        """
        return cls(read_span_table(table, root, "clip"))

    def folder(self, root: Path) -> ClipFolder:
        """The clips with labels, as a folder of clips; the folders that they lie in are ignored.

        Raises:
            DataError: the table names something that is neither a video nor a folder of frames, or lies outside of
                ``root``, or names a clip in a second way by ``..``.
        """
        for path, spans in self.spans.items():
            if not path.is_relative_to(root) or ".." in path.relative_to(root).parts:
                raise DataError(
                    f"{spans[0].where}: {path}: is not a path inside {root}; give the path of a clip from there, "
                    "without '..'"
                )
            if not is_clip(path):
                raise DataError(f"{spans[0].where}: {path}: neither a video nor a folder of frames; correct the table")
        clips = tuple(ClipFile(path, "") for path in sorted(self.spans))
        return ClipFolder(root, self.names, clips, ready_split=False)

    @property
    def names(self) -> tuple[str, ...]:
        """All labels, sorted."""
        return tuple(sorted({span.label for spans in self.spans.values() for span in spans}))

    def at(self, clip: Path, times_s: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.int64]:
        """The class index at each time ``[T]``; UNLABELLED outside of every span."""
        found = np.full(len(times_s), UNLABELLED, np.int64)
        for span in self.spans.get(clip, ()):
            found[(times_s >= span.start_s) & (times_s < span.end_s)] = names.index(span.label)
        return found
