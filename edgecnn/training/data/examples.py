"""What a run needs to know of its images or clips, whatever they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edgecnn.data.left_out import Reason
from edgecnn.data.loading import Skipped
from edgecnn.data.split_record import Split, SplitRecord
from edgecnn.data_quality.finding import Finding

__all__ = ["Examples"]


class _Example(Protocol):
    @property
    def path(self) -> Path:
        """The image file, or the clip."""

    @property
    def label(self) -> int:
        """Class index."""

    @property
    def split(self) -> Split:
        """Its side of the split."""


class Examples(Protocol):
    """The images, or the clips, of a run."""

    @property
    def root(self) -> Path:
        """Their folder."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names, in the order of the logits."""

    @property
    def samples(self) -> Sequence[_Example]:
        """All of them."""

    @property
    def record(self) -> SplitRecord:
        """What the checkpoint and the model file remember."""

    @property
    def sha256(self) -> str:
        """One hash of all and their labels."""

    @property
    def skipped(self) -> Sequence[Skipped]:
        """Those that cannot be read, and why."""

    @property
    def duplicates(self) -> int:
        """How many are a copy of another."""

    @property
    def left_out(self) -> Mapping[Reason, int]:
        """Files that were not tried, by reason."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the examination found, the worst first."""

    def of(self, split: Split) -> Sequence[_Example]:
        """Those of one split."""
