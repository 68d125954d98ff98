"""The processor, as far as it decides who is quick."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Machine", "this_machine"]

_FLAGS = ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8", "avx_vnni")


@dataclass(frozen=True)
class Machine:
    """What the header of a table says."""

    processor: str
    has: tuple[str, ...]
    has_not: tuple[str, ...]
    cores: int
    python: str

    def told(self) -> str:
        """One line."""
        without = f", without {', '.join(self.has_not)}" if self.has_not else ""
        return (
            f"{self.processor}, {self.cores} cores, with {', '.join(self.has) or 'no vector flags'}{without}; "
            f"Python {self.python}"
        )


def this_machine(cores: int) -> Machine:
    try:
        lines = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
    except OSError:
        lines = []
    found = {name.strip(): value.strip() for name, value in lines}
    flags = found.get("flags", "").split()
    return Machine(
        processor=found.get("model name", platform.machine()),
        has=tuple(f for f in _FLAGS if f in flags),
        has_not=tuple(f for f in _FLAGS if f not in flags),
        cores=cores,
        python=platform.python_version(),
    )
