"""State of the machine: memory, temperature, power supply, clock frequency. Only Linux reports them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Heat", "Memory", "busy", "clock_held_low", "heat", "memory", "offline_cores", "power_faults"]

_ROOT = Path("/")
_PLAUSIBLE_C = (1.0, 150.0)  # sensors that are switched off tell 0, or nonsense
_USUAL_LIMIT_C = 80.0  # where a Raspberry Pi begins to slow down; for zones that do not tell their own
_MIN_LIMIT_C = 60.0  # a lower one starts a fan, and slows nothing
_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_VCGENCMD_TIMEOUT_S = 2.0

# Raspberry Pi's documentation of `vcgencmd get_throttled`: bits for now, and sixteen higher for since it was switched
# on
_THROTTLED = {0: "too little voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}


@dataclass(frozen=True)
class Memory:
    """Memory of the machine, in bytes."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True)
class Heat:
    """The thermal zone closest to its limit."""

    zone: str
    temperature_c: float
    limit_c: float  # where the processor slows down

    @property
    def is_hot(self) -> bool:
        """Whether the zone is within 5 °C of its throttling limit."""
        return self.temperature_c >= self.limit_c - 5


def memory(root: Path = _ROOT) -> Memory | None:
    """Reads /proc/meminfo. None if it cannot be read."""
    sizes = {
        name: rest.split()[:1]
        for name, _, rest in (line.partition(":") for line in _read(root / "proc/meminfo").splitlines())
    }
    try:
        return Memory(int(sizes["MemTotal"][0]) * 1024, int(sizes["MemAvailable"][0]) * 1024)
    except (KeyError, IndexError, ValueError):
        return None


def busy() -> float | None:
    """Returns the load average of the last minute if the load of other programs exceeds the number of processors; else
    None."""
    try:
        load = os.getloadavg()[0]
    except (OSError, AttributeError):  # Windows has none
        return None
    return load if load > (os.cpu_count() or 1) + 1 else None


def heat(root: Path = _ROOT) -> Heat | None:
    """Returns the thermal zone closest to the limit at which the processor throttles; None if not reported."""
    zones = [
        zone
        for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*"))
        if (zone := _zone(folder)) is not None
    ]
    return max(zones, key=lambda zone: zone.temperature_c - zone.limit_c, default=None)


def _zone(folder: Path) -> Heat | None:
    temperature_c = _celsius(folder / "temp")
    if temperature_c is None or not _PLAUSIBLE_C[0] <= temperature_c <= _PLAUSIBLE_C[1]:
        return None
    slowing = [
        _celsius(kind.with_name(kind.name.replace("type", "temp")))
        for kind in folder.glob("trip_point_*_type")
        if _read(kind) == "passive"
    ]
    limit_c = min((t for t in slowing if t is not None and t >= _MIN_LIMIT_C), default=_USUAL_LIMIT_C)
    return Heat(_read(folder / "type") or folder.name, temperature_c, limit_c)


def _celsius(path: Path) -> float | None:
    try:
        return int(_read(path)) / 1000
    except ValueError:
        return None


def power_faults(root: Path = _ROOT) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Returns the faults that a Raspberry Pi's firmware reports, now and since power-on; None on other machines."""
    text = _read(root / _FIRMWARE) or _vcgencmd()
    try:
        bits = int(text.rpartition("=")[2], 16)
    except ValueError:
        return None
    now = tuple(name for bit, name in _THROTTLED.items() if bits >> bit & 1)
    since_start = tuple(name for bit, name in _THROTTLED.items() if bits >> bit + 16 & 1)
    return now, since_start


def _vcgencmd() -> str:
    program = shutil.which("vcgencmd")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603
            [program, "get_throttled"], capture_output=True, text=True, timeout=_VCGENCMD_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def clock_held_low(root: Path = _ROOT) -> bool:
    """Whether the CPU governor keeps the lowest clock frequency.

    With the drivers of Intel and AMD, `powersave` is the default and raises the frequency under load.
    """
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    return _read(folder / "scaling_governor") == "powersave" and not _read(folder / "scaling_driver").startswith(
        ("intel_pstate", "amd-pstate")
    )


def offline_cores(root: Path = _ROOT) -> int:
    """Returns the number of processors that are switched off, for example by a Jetson's power mode."""
    folder = root / "sys/devices/system/cpu"
    return max(0, _count(_read(folder / "present")) - _count(_read(folder / "online")))


def _count(ranges: str) -> int:
    """Counts the processors of a list such as ``"0-3,6"`` (5)."""
    pairs = [(first, last or first) for first, _, last in (part.partition("-") for part in ranges.split(","))]
    return sum(int(last) - int(first) + 1 for first, last in pairs if first.isdecimal() and last.isdecimal())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
