"""Limits that a child process sets for itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgecnn.runtime.system.child_limits import out_of_memory

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone enforces a limit of the address space")


def said(code: str) -> str:
    """What a new Python prints."""
    start = "from edgecnn.runtime.system.child_limits import give_way, limit_memory, perish_first\n"
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True, check=True).stdout


@linux
def test_memory_beyond_the_limit_is_an_error_and_not_the_machines_end() -> None:
    take = "try:\n    kept = bytearray({0} << 20)\n    print('taken')\nexcept MemoryError:\n    print('refused')"
    assert said(f"limit_memory(100 << 20)\n{take.format(50)}") == "taken\n"
    assert said(f"limit_memory(100 << 20)\n{take.format(200)}") == "refused\n"


@linux
def test_it_gives_way_and_dies_first() -> None:
    before, after = map(int, said("import os\nprint(os.nice(0))\ngive_way(7)\nprint(os.nice(0))").split())
    assert after == min(19, before + 7)  # 19 is the last
    assert said("perish_first()\nprint(open('/proc/self/oom_score_adj').read().strip())").strip() == "1000"


def test_memory_that_was_not_enough_is_known_by_the_words_of_a_library() -> None:
    words = ("std::bad_alloc", "[E] Failed to allocate\nmemory for 80 bytes", "(-4) Failed to allocate 8 bytes")
    assert all(map(out_of_memory, (MemoryError(), *map(RuntimeError, words))))
    assert not out_of_memory(RuntimeError("no such node"))
