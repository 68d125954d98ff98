"""Processor information: cores, cores this process may use, and instruction sets for int8."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from edgecnn.runtime.system.cgroups import cpu_quota

__all__ = [
    "CoreKind",
    "allowed_threads",
    "core_kinds",
    "cpu_flags",
    "cpu_name",
    "fast_cores",
    "has_fast_int8",
    "has_vnni",
    "is_x86",
    "physical_cores",
    "present_cores",
]

_ROOT = Path("/")
_VNNI = frozenset(("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"))
_ARM_INT8 = frozenset(("asimddp", "i8mm"))

# Linux's arch/arm64/include/asm/cputype.h, implementer 0x41
_ARM_CORES = {
    "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57",
    "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd42": "Cortex-A78AE",
    "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710", "0xd48": "Cortex-X2",
    "0xd49": "Neoverse-N2", "0xd4d": "Cortex-A715", "0xd4e": "Cortex-X3", "0xd4f": "Neoverse-V2",
    "0xd80": "Cortex-A520", "0xd81": "Cortex-A720", "0xd82": "Cortex-X4",
}  # fmt: skip


@dataclass(frozen=True)
class CoreKind:
    """A group of identical cores."""

    name: str
    count: int
    capacity: int | None  # Linux's measure, the fastest kind 1024; None where the kernel does not tell


@cache
def _blocks(root: Path = _ROOT) -> tuple[dict[str, str], ...]:
    """Returns the blocks of /proc/cpuinfo: one per processor, and on ARM boards one for the board. Empty on other
    systems than Linux.
    """
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ()
    parts = [part for part in text.split("\n\n") if part.strip()]
    return tuple(
        {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in part.splitlines())}
        for part in parts
    )


def _first(names: Iterable[str], root: Path) -> str:
    return next((block[name] for name in names for block in _blocks(root) if block.get(name)), "")


def cpu_name(root: Path = _ROOT) -> str:
    """Returns the name of the processor; on ARM the kinds of cores and the name of the board."""
    name = _first(["model name"], root)
    if name and name != "unknown":
        return name
    kinds = " + ".join(f"{kind.count} x {kind.name}" for kind in core_kinds(root))
    board = _first(["Model", "Hardware"], root)
    return ", ".join(part for part in (board, kinds) if part) or platform.processor() or platform.machine()


def cpu_flags(root: Path = _ROOT) -> frozenset[str]:
    """Returns the instruction sets by Linux's names; empty if the system does not report them."""
    return frozenset(_first(["flags", "Features"], root).split())


def core_kinds(root: Path = _ROOT) -> tuple[CoreKind, ...]:
    """Returns the kinds of cores of an ARM processor, the fastest first; empty on x86 and if not reported."""
    kinds = Counter(
        (
            _ARM_CORES.get(block["CPU part"], f"ARM core {block['CPU part']}"),
            _capacity(block.get("processor", ""), root),
        )
        for block in _blocks(root)
        if "CPU part" in block
    )
    found = [CoreKind(name, count, capacity) for (name, capacity), count in kinds.items()]
    return tuple(sorted(found, key=lambda kind: (-(kind.capacity or 0), kind.name)))


def _capacity(processor: str, root: Path) -> int | None:
    try:
        return int((root / f"sys/devices/system/cpu/cpu{processor}/cpu_capacity").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def fast_cores(root: Path = _ROOT) -> int | None:
    """Returns the number of cores of the fastest kind on an ARM processor with several kinds; else None."""
    kinds = core_kinds(root)
    capacities = {kind.capacity for kind in kinds}
    if len(capacities) < 2 or None in capacities:
        return None
    return sum(kind.count for kind in kinds if kind.capacity == kinds[0].capacity)


def is_x86() -> bool:
    """Whether the processor has the x86 architecture."""
    return platform.machine().lower() in ("x86_64", "amd64", "i686", "x86")


def has_vnni() -> bool:
    """Whether the processor has VNNI, which sums products of uint8 and int8 without saturation.

    True if the system does not report its flags.
    """
    flags = cpu_flags()
    return not is_x86() or not flags or bool(flags & _VNNI)


def has_fast_int8() -> bool | None:
    """Whether the processor has int8 dot product instructions: VNNI or AMX, dotprod or i8mm.

    None if the system does not report its flags.
    """
    flags = cpu_flags()
    return bool(flags & (_VNNI if is_x86() else _ARM_INT8)) if flags else None


def present_cores(root: Path = _ROOT) -> int:
    """Returns the number of physical cores of the machine, if the system distinguishes them from threads."""
    return (
        len({(block.get("physical id"), block["core id"]) for block in _blocks(root) if "core id" in block})
        or os.cpu_count()
        or 1
    )


def allowed_threads() -> int:
    """Returns the number of logical processors that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except (OSError, AttributeError):  # macOS and Windows have none
        return os.cpu_count() or 1


def physical_cores(root: Path = _ROOT) -> int:
    """Returns the number of physical cores that this process may use: the default number of threads.

    For a container with 1.5 processors it is 1: two threads would use up the quota before the end of a period, and
    wait.
    """
    quota = cpu_quota(root)
    return max(1, min(present_cores(root), allowed_threads(), *([int(quota)] if quota else [])))
