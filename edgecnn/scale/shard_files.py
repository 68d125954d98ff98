"""The Parquet files of a run: which shards are there, and how a new one is written."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from edgecnn.atomic import make_folder, write_bytes
from edgecnn.scale.job import Job
from edgecnn.scale.rows import ShardFacts, read_facts

__all__ = ["ShardFiles"]

_FOLDER = "predictions"  # a folder of its own, so that readers of Parquet may be given it whole


class ShardFiles:
    """The folder ``predictions`` of an output folder. A file is there whole, or not at all."""

    def __init__(self, out: Path, job: Job) -> None:
        self.folder = out / _FOLDER
        self._job = job

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        return self.folder / f"part-{shard:06d}.parquet"

    def begin(self) -> dict[int, ShardFacts]:
        """Makes the folder, removes what a killed run has left half written, and returns the shards that are there.

        A file that is damaged or has another number of rows does not count: it is written again.

        Raises:
            OutputError: the folder cannot be made.
        """
        make_folder(self.folder)
        for left in self.folder.glob(".*.part"):
            with suppress(OSError):
                left.unlink()
        return self.whole()

    def whole(self) -> dict[int, ShardFacts]:
        """The shards that are there."""
        found = {shard: read_facts(self.path(shard)) for shard in range(self._job.shards)}
        return {
            shard: facts
            for shard, facts in found.items()
            if facts is not None and facts.images == self._job.place(shard)[1]
        }

    def write(self, shard: int, content: bytes) -> None:
        """Writes a shard aside, flushes and renames it. Raises :class:`OutputError`."""
        write_bytes(self.path(shard), content)
