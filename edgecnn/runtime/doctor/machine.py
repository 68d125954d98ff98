"""Examines what no package changes: the processor and our share of it, memory, heat, power, disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from edgecnn.data_quality.finding import Finding
from edgecnn.runtime.system.cgroups import cpu_quota, memory_limit_bytes
from edgecnn.runtime.system.cpu_features import (
    allowed_threads,
    core_kinds,
    cpu_flags,
    cpu_name,
    fast_cores,
    has_fast_int8,
    has_vnni,
    is_x86,
    physical_cores,
    present_cores,
)
from edgecnn.runtime.system.machine_state import busy, clock_held_low, heat, memory, offline_cores, power_faults

__all__ = ["examine_machine"]

_ROOT = Path("/")
_LITTLE_MEMORY_BYTES = 300e6  # a runner with EfficientNet-Lite0 holds about 150 MB, and a camera's frames come on top
_LITTLE_DISK_BYTES = 500e6

# What int8 and 16 bits gain from, by Linux's names, the strongest first; avx2 and asimd are what every such processor
# of ten years has
_X86_SETS = (
    "amx_int8",
    "amx_bf16",
    "amx_tile",
    "avx512_vnni",
    "avx_vnni",
    "avx_vnni_int8",
    "avx512_bf16",
    "avx512f",
    "avx2",
)
_ARM_SETS = ("sve2", "sve", "i8mm", "asimddp", "bf16", "asimdhp", "asimd")
_SAID = {"asimddp": "dotprod (asimddp)", "asimdhp": "half precision (asimdhp)"}


def examine_machine(root: Path = _ROOT) -> list[Finding]:
    """All findings; none is a fault, since a slow machine runs models too.

    Args:
        root: of the file system, for tests.
    """
    return [
        *_processor(),
        *_cores(root),
        *_load(),
        *_memory(root),
        *_disk(),
        *_heat(root),
        *_power(root),
        *_clock(root),
    ]


def _processor() -> Iterator[Finding]:
    cores = f"{_count(present_cores(), 'core')}, {_count(os.cpu_count() or 1, 'thread')}"
    yield Finding("ok", f"{cpu_name()}, {cores}; {_sets(cpu_flags())}", "processor", "")
    if not has_vnni():
        what = "no VNNI: int8 gains less, and weights of eight bits need a slower way to be exact"
        yield Finding(
            "warning",
            what,
            "processor",
            "quantize on this machine: `edgecnn quantize` then keeps weights to seven bits",
        )
    elif has_fast_int8() is False:
        what = "no dotprod (asimddp): int8 gains less"
        yield Finding(
            "note",
            what,
            "processor",
            "let `edgecnn doctor MODEL` time the float file and the int8 file here, and take the quicker",
        )


def _sets(flags: frozenset[str]) -> str:
    if not flags:
        return "the system does not tell its instruction sets"
    known = [_SAID.get(name, name) for name in (_X86_SETS if is_x86() else _ARM_SETS) if name in flags]
    return f"for int8 and 16 bits: {', '.join(known) or 'no instruction set'}"


def _cores(root: Path) -> Iterator[Finding]:
    """What of the processor is ours, and why so little where it is."""
    allowed, present, quota = allowed_threads(), os.cpu_count() or 1, cpu_quota(root)
    limits = [f"may run on {allowed} of {present} threads"] if allowed < present else []
    limits += [f"gets the time of {quota:g} processors (its control group)"] if quota and quota < allowed else []
    if limits:
        remedy = f"--threads {physical_cores(root)}, the default here; more would wait for each other"
        yield Finding("note", f"this process {' and '.join(limits)}", "cores", remedy)
    fast = fast_cores(root)
    if fast and fast < physical_cores(root):
        kinds = ", ".join(f"{kind.count} x {kind.name}" for kind in core_kinds(root))
        remedy = f"try --threads {fast}; `edgecnn doctor MODEL` times it"
        yield Finding("note", f"two kinds of cores ({kinds}): the slower ones may hold up the fast", "cores", remedy)
    if offline := offline_cores(root):
        yield Finding(
            "note",
            f"{_count(offline, 'processor')} switched off",
            "cores",
            "on a Jetson, `sudo nvpmodel -m 0` gives all of them",
        )


def _load() -> Iterator[Finding]:
    load = busy()
    if load is not None:
        what = f"other programs use the processor: {load:.1f} wanted to run in the last minute"
        yield Finding("note", what, "load", "end them before you measure")


def _memory(root: Path) -> Iterator[Finding]:
    found, limit_bytes = memory(root), memory_limit_bytes(root)
    if found is None:
        return
    available_bytes = min(found.available_bytes, limit_bytes or found.available_bytes)
    limited = (
        f"; this process may use {_size(limit_bytes)} (its control group)"
        if limit_bytes and limit_bytes < found.total_bytes
        else ""
    )
    what = f"{_size(found.total_bytes)}, {_size(found.available_bytes)} available{limited}"
    if available_bytes < _LITTLE_MEMORY_BYTES:
        yield Finding(
            "warning", what, "memory", "end other programs, or take a smaller network; one image at a time (--batch 1)"
        )
    else:
        yield Finding("ok", what, "memory", "")


def _disk() -> Iterator[Finding]:
    free_bytes = shutil.disk_usage(".").free  # by this name it is there even when someone removed it
    if free_bytes < _LITTLE_DISK_BYTES:
        yield Finding(
            "warning",
            f"{_size(free_bytes)} free where this folder is",
            "disk",
            "free some, or write elsewhere (--out, --save)",
        )


def _heat(root: Path) -> Iterator[Finding]:
    found = heat(root)
    if found is None:
        return
    what = f"{found.temperature_c:.0f} °C at {found.zone}; it slows down from {found.limit_c:.0f} °C"
    if found.is_hot:
        yield Finding("warning", what, "heat", "cool it (a fan, a heat sink, air): timings taken now are too slow")
    else:
        yield Finding("ok", what, "heat", "")


def _power(root: Path) -> Iterator[Finding]:
    found = power_faults(root)
    if found is None:
        return
    now, since_start = found
    remedy = "a stronger power supply and a shorter cable for low voltage, cooling for the others"
    if now:
        yield Finding("warning", f"the board's firmware tells: {', '.join(now)}", "power", remedy)
    elif since_start:
        yield Finding(
            "note", f"since it was switched on, the board's firmware told: {', '.join(since_start)}", "power", remedy
        )
    else:
        yield Finding("ok", "the board's firmware has nothing to complain of", "power", "")


def _clock(root: Path) -> Iterator[Finding]:
    if clock_held_low(root):
        remedy = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Finding("warning", "the governor `powersave` keeps the lowest clock", "clock", remedy)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
