"""The device that a bundle is for: its processor, its Python, and the wheels that run there."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.errors import UsageError

__all__ = ["Target", "TargetName"]

TargetName = Literal["linux-aarch64", "linux-x86_64"]

_DOCKER = {"aarch64": "linux/arm64", "x86_64": "linux/amd64"}
_OLDEST_PYTHON = 10  # 3.10, as pyproject.toml says
# Wheels for glibc 2.17 up to 2.35 load on Debian 12, Ubuntu 22.04 (JetPack 6) and everything newer.
_GLIBC_MINORS = range(35, 16, -1)


@dataclass(frozen=True)
class Target:
    """A kind of device. Raises :class:`UsageError` for a Python that EdgeCNN does not run on."""

    name: TargetName
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"  # as in `python3.11`

    def __post_init__(self) -> None:
        if self.name not in get_args(TargetName):
            raise UsageError(f"--target {self.name}: expected {' or '.join(get_args(TargetName))}")
        found = re.fullmatch(r"3\.(\d{1,2})", self.python)
        if found is None or int(found[1]) < _OLDEST_PYTHON:
            raise UsageError(
                f"--python {self.python}: expected the device's Python as 3.N, at least 3.{_OLDEST_PYTHON}"
            )

    @property
    def machine(self) -> str:
        """The processor, as ``uname -m`` names it there."""
        return self.name.removeprefix("linux-")

    @property
    def docker_platform(self) -> str:
        """The same as ``docker build --platform`` names it."""
        return _DOCKER[self.machine]

    @property
    def pip_platforms(self) -> tuple[str, ...]:
        """Platform tags of the wheels that load there, newest first."""
        return (*(f"manylinux_2_{minor}_{self.machine}" for minor in _GLIBC_MINORS), f"manylinux2014_{self.machine}")

    def markers(self) -> dict[str, str]:
        """The environment of :pep:`508` on the device, for the markers of requirements."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }
