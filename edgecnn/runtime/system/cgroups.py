"""CPU and memory limits of this process, from control groups (cgroups, versions 1 and 2), as containers set them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_quota", "memory_limit_bytes"]

_ROOT = Path("/")
_UNLIMITED_BYTES = 1 << 60  # version 1 writes a number near 2^63 where there is no limit


def cpu_quota(root: Path = _ROOT) -> float | None:
    """Returns the CPU limit of this process, in processors, for example 1.5; None if there is no limit.

    Args:
        root: root of the file system; tests pass another one.
    """
    quotas = [*_quotas_v2(root), *_quotas_v1(root)]
    return min(quotas, default=None)


def memory_limit_bytes(root: Path = _ROOT) -> int | None:
    """Returns the memory limit of this process, in bytes; None if there is no limit."""
    texts = [text for folder in _folders(root, "") for text in _read(folder / "memory.max")]
    texts += [text for folder in _folders(root, "memory") for text in _read(folder / "memory.limit_in_bytes")]
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED_BYTES]
    return min(limits, default=None)


def _quotas_v2(root: Path) -> Iterator[float]:
    for folder in _folders(root, ""):
        for text in _read(folder / "cpu.max"):
            quota, _, period_us = text.partition(" ")
            if quota.isdigit() and period_us.isdigit() and int(period_us):
                yield int(quota) / int(period_us)


def _quotas_v1(root: Path) -> Iterator[float]:
    for folder in _folders(root, "cpu"):
        for quota, period_us in zip(
            _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"), strict=False
        ):
            if quota.isdigit() and period_us.isdigit() and int(period_us):  # -1 is no limit
                yield int(quota) / int(period_us)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Yields the folders of this process's control group and its parents, each of which may set a limit.

    A container may see its own group as the root.

    Args:
        root: root of the file system.
        controller: a controller of version 1; empty for version 2, which has one tree for all.
    """
    for line in "\n".join(_read(root / "proc/self/cgroup")).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controller in controllers.split(","):
            for name in dict.fromkeys(
                (controllers, controller)
            ):  # version 1's folder bears all of a line's controllers, or a link each
                top = root / "sys/fs/cgroup" / name
                group = top / path.strip("/")
                yield from (folder for folder in (group, *group.parents) if folder == top or top in folder.parents)


def _read(path: Path) -> list[str]:
    """Returns the text of the file in a list, or an empty list if it cannot be read."""
    try:
        return [path.read_text(encoding="utf-8").strip()]
    except (OSError, UnicodeDecodeError):
        return []
