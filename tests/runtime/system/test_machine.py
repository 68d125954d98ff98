"""What Linux shows of a machine: our share of it, its cores, memory, heat, power and clock."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgecnn.runtime.doctor.machine import examine_machine
from edgecnn.runtime.system import cpu_features
from edgecnn.runtime.system.cgroups import cpu_quota, memory_limit_bytes
from edgecnn.runtime.system.cpu_features import (
    CoreKind,
    core_kinds,
    cpu_flags,
    cpu_name,
    fast_cores,
    has_fast_int8,
    physical_cores,
    present_cores,
)
from edgecnn.runtime.system.machine_state import clock_held_low, heat, memory, offline_cores, power_faults


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text + "\n")


def whats(root: Path, level: str, where: str) -> list[str]:
    return [f.what for f in examine_machine(root) if (f.level, f.where) == (level, where)]


# Control groups


def test_a_machine_that_shows_nothing_limits_nothing(tmp_path: Path) -> None:
    assert (cpu_quota(tmp_path), memory_limit_bytes(tmp_path)) == (None, None)


def test_a_container_sees_its_own_group_as_the_root(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "150000 100000")
    write(tmp_path, "sys/fs/cgroup/memory.max", "536870912")
    assert (cpu_quota(tmp_path), memory_limit_bytes(tmp_path)) == (1.5, 536870912)


def test_of_several_groups_the_narrowest_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/system.slice/edgecnn.service")
    write(tmp_path, "sys/fs/cgroup/system.slice/cpu.max", "50000 100000")
    write(tmp_path, "sys/fs/cgroup/system.slice/edgecnn.service/cpu.max", "max 100000")
    write(tmp_path, "sys/fs/cgroup/system.slice/memory.max", "max")
    assert (cpu_quota(tmp_path), memory_limit_bytes(tmp_path)) == (0.5, None)


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        "proc/self/cgroup",
        "4:memory:/docker/c0ffee\n2:cpu,cpuacct:/docker/c0ffee\n1:name=systemd:/docker/c0ffee",
    )
    write(
        tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000"
    )  # the path of the group is the host's, not the container's
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824")
    assert (cpu_quota(tmp_path), memory_limit_bytes(tmp_path)) == (2.0, 1 << 30)


def test_the_older_control_groups_without_a_limit(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/\n2:cpu:/")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1")
    write(tmp_path, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    assert (cpu_quota(tmp_path), memory_limit_bytes(tmp_path)) == (None, None)


# The processor


def x86(root: Path, cores: int, flags: str = "avx2 avx512_vnni") -> None:
    """Two threads a core."""
    blocks = [
        f"processor\t: {i}\nmodel name\t: Some CPU\nphysical id\t: 0\ncore id\t\t: {i // 2}\nflags\t\t: {flags}\n"
        for i in range(2 * cores)
    ]
    write(root, "proc/cpuinfo", "\n".join(blocks))


def arm(root: Path, parts: list[tuple[str, int]], board: str) -> None:
    """Cores by their part numbers and capacities."""
    blocks = [
        f"processor\t: {i}\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: {part}\n"
        for i, (part, _) in enumerate(parts)
    ]
    write(root, "proc/cpuinfo", "\n".join([*blocks, f"Model\t\t: {board}\n"]))
    for i, (_, capacity) in enumerate(parts):
        write(root, f"sys/devices/system/cpu/cpu{i}/cpu_capacity", str(capacity))


@pytest.mark.parametrize(
    ("quota", "threads"),
    [(None, 4), ("150000 100000", 1), ("50000 100000", 1), ("300000 100000", 3), ("900000 100000", 4)],
)
def test_threads_are_as_many_as_the_cores_that_are_ours(
    quota: str | None, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_features, "allowed_threads", lambda: 8)
    x86(tmp_path, 4)
    if quota:
        write(tmp_path, "proc/self/cgroup", "0::/")
        write(tmp_path, "sys/fs/cgroup/cpu.max", quota)
    assert (present_cores(tmp_path), physical_cores(tmp_path)) == (4, threads)


def test_two_kinds_of_cores_are_told_apart_and_the_board_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_features, "allowed_threads", lambda: 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    arm(tmp_path, [("0xd05", 530)] * 4 + [("0xd0b", 1024)] * 4, "Radxa ROCK 5B")
    assert core_kinds(tmp_path) == (CoreKind("Cortex-A76", 4, 1024), CoreKind("Cortex-A55", 4, 530))
    assert fast_cores(tmp_path) == 4
    assert cpu_name(tmp_path) == "Radxa ROCK 5B, 4 x Cortex-A76 + 4 x Cortex-A55"
    assert "asimddp" in cpu_flags(tmp_path)
    (told,) = (f for f in examine_machine(tmp_path) if "two kinds" in f.what)
    assert "--threads 4" in told.remedy
    write(tmp_path, "proc/self/cgroup", "0::/")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "200000 100000")  # no more than two are ours, whatever their kind
    assert not any("two kinds" in f.what for f in examine_machine(tmp_path))


def test_cores_that_are_alike_and_parts_that_are_not_known(tmp_path: Path) -> None:
    arm(tmp_path, [("0xfff", 1024)] * 2, "a board")
    assert core_kinds(tmp_path) == (CoreKind("ARM core 0xfff", 2, 1024),)
    assert fast_cores(tmp_path) is None


@pytest.mark.parametrize(
    ("on_x86", "flags", "fast"),
    [(True, "avx2", False), (True, "amx_int8", True), (False, "asimd", False), (False, "i8mm", True)],
)
def test_fast_int8_needs_an_instruction_for_it(
    on_x86: bool, flags: str, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_features, "is_x86", lambda: on_x86)
    monkeypatch.setattr(cpu_features, "cpu_flags", lambda: frozenset(flags.split()))
    assert has_fast_int8() is fast
    monkeypatch.setattr(cpu_features, "cpu_flags", frozenset)
    assert has_fast_int8() is None


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system does not tell which processors a process may use"
)
def test_a_process_that_may_use_less_than_the_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    (told,) = (f for f in examine_machine(tmp_path) if f.where == "cores")
    assert "1 of 4" in told.what
    assert "--threads 1" in told.remedy


# Memory, heat, power, clock


def test_a_machine_that_shows_nothing_has_nothing_to_tell_of_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert (
        memory(tmp_path),
        heat(tmp_path),
        power_faults(tmp_path),
        clock_held_low(tmp_path),
        offline_cores(tmp_path),
    ) == (
        None,
        None,
        None,
        False,
        0,
    )
    assert not {f.where for f in examine_machine(tmp_path)} & {"memory", "heat", "power", "clock"}


def test_little_memory_is_a_warning_and_a_limit_counts(tmp_path: Path) -> None:
    write(tmp_path, "proc/meminfo", "MemTotal:        4000000 kB\nMemFree:  100 kB\nMemAvailable:    2000000 kB")
    assert whats(tmp_path, "ok", "memory") == ["4.1 GB, 2.0 GB available"]
    write(tmp_path, "proc/self/cgroup", "0::/")
    write(tmp_path, "sys/fs/cgroup/memory.max", "209715200")
    assert whats(tmp_path, "warning", "memory") == [
        "4.1 GB, 2.0 GB available; this process may use 210 MB (control group)"
    ]


def zone(root: Path, number: int, kind: str, millidegrees: int, trips: dict[str, int]) -> None:
    folder = f"sys/class/thermal/thermal_zone{number}"
    write(root, f"{folder}/type", kind)
    write(root, f"{folder}/temp", str(millidegrees))
    for i, (name, trip) in enumerate(trips.items()):
        write(root, f"{folder}/trip_point_{i}_type", name)
        write(root, f"{folder}/trip_point_{i}_temp", str(trip))


def test_the_zone_nearest_to_slowing_down_is_told_and_a_hot_one_is_a_warning(tmp_path: Path) -> None:
    zone(tmp_path, 0, "battery", 0, {})  # switched off
    zone(tmp_path, 1, "gpu", 70000, {"active": 40000, "critical": 110000})  # no limit of its own: 80
    zone(tmp_path, 2, "cpu", 72000, {"passive": 95000, "critical": 105000})
    assert whats(tmp_path, "ok", "heat") == ["70 °C at gpu; it throttles from 80 °C"]
    zone(tmp_path / "hot", 0, "cpu-thermal", 79100, {"critical": 110000})
    assert whats(tmp_path / "hot", "warning", "heat") == ["79 °C at cpu-thermal; it throttles from 80 °C"]


@pytest.mark.parametrize(
    ("bits", "level", "words"),
    [
        ("0", "ok", "no problem"),
        ("50005", "warning", "too little voltage, throttled"),
        ("50000", "note", "since power-on"),
    ],
)
def test_what_a_raspberry_pi_complains_of_is_told(bits: str, level: str, words: str, tmp_path: Path) -> None:
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", bits)
    (what,) = whats(tmp_path, level, "power")
    assert words in what


def test_vcgencmd_is_asked_where_the_kernel_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    program.write_text("#!/bin/sh\necho throttled=0x4\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert power_faults(tmp_path) == (("throttled",), ())


@pytest.mark.parametrize(("driver", "low"), [("cpufreq-dt", True), ("intel_pstate", False), ("amd-pstate-epp", False)])
def test_a_governor_that_keeps_the_lowest_clock_is_a_warning(driver: str, low: bool, tmp_path: Path) -> None:
    write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver)
    assert bool(whats(tmp_path, "warning", "clock")) is low


def test_processors_that_are_switched_off_are_told(tmp_path: Path) -> None:
    write(tmp_path, "sys/devices/system/cpu/present", "0-5")
    write(tmp_path, "sys/devices/system/cpu/online", "0-1,4")
    assert offline_cores(tmp_path) == 3
    assert "3 processors switched off" in whats(tmp_path, "note", "cores")


def test_other_programs_are_told_where_they_are_more_than_the_processor_has_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (65.5, 0, 0), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert any("65.5" in what for what in whats(tmp_path, "note", "load"))
    monkeypatch.setattr(os, "getloadavg", lambda: (64.5, 0, 0), raising=False)
    assert not whats(tmp_path, "note", "load")


def test_little_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000_000))
    assert any("10 MB free" in what for what in whats(tmp_path, "warning", "disk"))
