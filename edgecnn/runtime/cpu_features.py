"""What the processor can do that int8 depends on."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

__all__ = ["cpu_flags", "cpu_name", "has_vnni", "is_x86", "physical_cores"]

_VNNI = frozenset(("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8"))


@cache
def _cpuinfo() -> dict[str, str]:
    """Linux's description of the first processor; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def cpu_name() -> str:
    """The processor's name, as far as the system tells."""
    found = _cpuinfo()
    return found.get("model name") or found.get("Model") or platform.processor() or platform.machine()


def cpu_flags() -> frozenset[str]:
    """Instruction sets by Linux's names; empty where the system does not tell."""
    found = _cpuinfo()
    return frozenset((found.get("flags") or found.get("Features") or "").split())


def is_x86() -> bool:
    """Whether the processor is one of Intel's or AMD's."""
    return platform.machine().lower() in ("x86_64", "amd64", "i686", "x86")


def has_vnni() -> bool:
    """Whether products of uint8 and int8 are summed without saturating; taken for granted where the system does not tell."""
    flags = cpu_flags()
    return not is_x86() or not flags or bool(flags & _VNNI)


def physical_cores() -> int:
    """Cores without their second threads, at most those this process may use: the threads that an inference gains from."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        allowed = len(os.sched_getaffinity(0))
    except (OSError, AttributeError):
        return os.cpu_count() or 1
    pairs = {(_field(block, "physical id"), _field(block, "core id")) for block in text.split("\n\n") if "core id" in block}
    return max(1, min(len(pairs) or allowed, allowed))


def _field(block: str, name: str) -> str:
    return next((line.partition(":")[2].strip() for line in block.splitlines() if line.startswith(name)), "")
