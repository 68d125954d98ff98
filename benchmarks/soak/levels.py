"""What a process holds at a moment: memory, descriptors, threads, child processes, named shared memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Levels"]

_SHARED_MEMORY = Path("/dev/shm")  # where Linux keeps shared memory that has a name


@dataclass(frozen=True)
class Levels:
    """As Linux counts it, of one process; memory in MB of 2^20 bytes."""

    rss_mb: float  # resident set
    anonymous_mb: float  # the part of it that is no file: heap and stacks
    children_rss_mb: float  # of its child processes, added up: the capture processes
    descriptors: int
    threads: int
    children: int
    zombies: int  # of the children: ended, and not waited for
    shared_memory_files: int  # of the whole machine, by name

    @classmethod
    def of(cls, pid: int) -> Levels:
        """Raises :class:`OSError` where the process has ended."""
        own = _status(pid)
        children = list(_children(pid))
        return cls(
            rss_mb=_mb(own, "VmRSS"),
            anonymous_mb=_mb(own, "RssAnon"),
            children_rss_mb=sum(_mb(child, "VmRSS") for child in children),
            descriptors=sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
            threads=int(own["Threads"]),
            children=len(children),
            zombies=sum(child["State"].startswith("Z") for child in children),
            shared_memory_files=sum(1 for _ in _SHARED_MEMORY.iterdir()),
        )


def _children(pid: int) -> Iterator[dict[str, str]]:
    """The status of each child process; the kernel lists them by the thread that started them."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            pids = listed.read_text().split()
        except OSError:  # the thread has ended
            continue
        for child in pids:
            try:
                yield _status(int(child))
            except OSError:  # it has ended meanwhile, and was waited for
                continue


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _mb(status: dict[str, str], name: str) -> float:
    """0 for a process that has ended: it has no memory any more."""
    return int(status.get(name, "0 kB").split()[0]) / 1024
