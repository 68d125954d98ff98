"""Memory that training keeps: in a process of its own, since the setting holds for all of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource
from edgecnn.training.optim.malloc import kept_memory
import torch

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.zeros(16 * 2**20)  # 64 MiB: above glibc's limit for keeping
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident_mb():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() // 2**20

before = faults()
with kept_memory():
    faults()
    within, held = faults(), resident_mb()
print(before, within, held - resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_memory_is_kept_within_and_given_back_afterwards() -> None:
    before, within, given_back_mb = _run({})
    assert within < before / 20
    assert given_back_mb >= 60


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_the_users_own_setting_is_left_alone() -> None:
    before, within, _ = _run({"MALLOC_MMAP_MAX_": "65536"})
    assert within > before / 2


def _run(environment: dict[str, str]) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [int(word) for word in done.stdout.split()]
