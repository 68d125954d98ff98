"""Checks the machine: processor and its limits, memory, temperature, power supply, disk."""

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
    """Returns all findings. None is a fault, because a slow machine can run models too.

    Args:
        root: root of the file system; tests pass another one.
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
        what = "no VNNI: int8 gains less speed, and 8-bit weights use slower kernels to be exact"
        yield Finding(
            "warning",
            what,
            "processor",
            "quantize on this machine, or with --target x86-avx2: the weights are then exact on the fast kernels",
        )
    elif has_fast_int8() is False:
        what = "no dotprod (asimddp): int8 gains less speed"
        yield Finding(
            "note",
            what,
            "processor",
            "run `edgecnn doctor MODEL` on the float file and the int8 file, and use the faster one",
        )


def _sets(flags: frozenset[str]) -> str:
    if not flags:
        return "the system does not report its instruction sets"
    known = [_SAID.get(name, name) for name in (_X86_SETS if is_x86() else _ARM_SETS) if name in flags]
    return f"instructions for int8 and 16-bit floats: {', '.join(known) or 'none'}"


def _cores(root: Path) -> Iterator[Finding]:
    """Reports which part of the processor this process may use, and what limits it."""
    allowed, present, quota = allowed_threads(), os.cpu_count() or 1, cpu_quota(root)
    limits = [f"may run on {allowed} of {present} threads"] if allowed < present else []
    limits += [f"is limited to the time of {quota:g} processors (control group)"] if quota and quota < allowed else []
    if limits:
        remedy = f"--threads {physical_cores(root)}, the default here; more threads would wait for each other"
        yield Finding("note", f"this process {' and '.join(limits)}", "cores", remedy)
    fast = fast_cores(root)
    if fast and fast < physical_cores(root):
        kinds = ", ".join(f"{kind.count} x {kind.name}" for kind in core_kinds(root))
        remedy = f"try --threads {fast}; `edgecnn doctor MODEL` times it"
        yield Finding("note", f"two kinds of cores ({kinds}): the slow ones may delay the fast ones", "cores", remedy)
    if offline := offline_cores(root):
        yield Finding(
            "note",
            f"{_count(offline, 'processor')} switched off",
            "cores",
            "on a Jetson, `sudo nvpmodel -m 0` switches all on",
        )


def _load() -> Iterator[Finding]:
    load = busy()
    if load is not None:
        what = f"other programs use the processor: load average {load:.1f} in the last minute"
        yield Finding("note", what, "load", "stop them before measuring")


def _memory(root: Path) -> Iterator[Finding]:
    found, limit_bytes = memory(root), memory_limit_bytes(root)
    if found is None:
        return
    available_bytes = min(found.available_bytes, limit_bytes or found.available_bytes)
    limited = (
        f"; this process may use {_size(limit_bytes)} (control group)"
        if limit_bytes and limit_bytes < found.total_bytes
        else ""
    )
    what = f"{_size(found.total_bytes)}, {_size(found.available_bytes)} available{limited}"
    if available_bytes < _LITTLE_MEMORY_BYTES:
        yield Finding(
            "warning", what, "memory", "stop other programs, use a smaller network, or use batch size 1 (--batch 1)"
        )
    else:
        yield Finding("ok", what, "memory", "")


def _disk() -> Iterator[Finding]:
    free_bytes = shutil.disk_usage(".").free  # by this name it is there even when someone removed it
    if free_bytes < _LITTLE_DISK_BYTES:
        yield Finding(
            "warning",
            f"{_size(free_bytes)} free on the disk of the current folder",
            "disk",
            "free disk space, or write to another disk (--out, --save)",
        )


def _heat(root: Path) -> Iterator[Finding]:
    found = heat(root)
    if found is None:
        return
    what = f"{found.temperature_c:.0f} °C at {found.zone}; it throttles from {found.limit_c:.0f} °C"
    if found.is_hot:
        yield Finding("warning", what, "heat", "improve the cooling (fan, heat sink); latency measured now is too high")
    else:
        yield Finding("ok", what, "heat", "")


def _power(root: Path) -> Iterator[Finding]:
    found = power_faults(root)
    if found is None:
        return
    now, since_start = found
    remedy = "for low voltage use a stronger power supply and a shorter cable; for the others improve the cooling"
    if now:
        yield Finding("warning", f"the board's firmware reports: {', '.join(now)}", "power", remedy)
    elif since_start:
        yield Finding(
            "note", f"the board's firmware has reported since power-on: {', '.join(since_start)}", "power", remedy
        )
    else:
        yield Finding("ok", "the board's firmware reports no problem", "power", "")


def _clock(root: Path) -> Iterator[Finding]:
    if clock_held_low(root):
        remedy = "echo ondemand | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
        yield Finding("warning", "the CPU governor `powersave` keeps the lowest clock frequency", "clock", remedy)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _size(size_bytes: float) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.0f} MB"
