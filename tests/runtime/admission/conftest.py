"""Fixtures of the tests of admission."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgecnn.runtime.admission import admission
from edgecnn.runtime.admission import verdict_cache as verdicts


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache and a process that know nothing yet."""
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(verdicts, "_here", {})
    monkeypatch.setattr(verdicts, "_told", set())
    return tmp_path / "cache" / "verdicts"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The children that were started, by their ids."""
    pids: list[int] = []
    start = admission._start

    def counted(image: tuple[int, int], seconds: float | None) -> subprocess.Popen[bytes]:
        child = start(image, seconds)
        pids.append(child.pid)
        return child

    monkeypatch.setattr(admission, "_start", counted)
    return pids
