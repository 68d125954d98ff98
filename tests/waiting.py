"""Waits for what another thread, process or machine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgecnn.runtime.sources import LiveSource, Outage


def comes_true(wanted: Callable[[], Any], limit_s: float) -> Any:
    """Waits until a call returns something true; returns what it returned last."""
    end_s = time.monotonic() + limit_s
    while not (found := wanted()) and time.monotonic() < end_s:
        time.sleep(0.02)
    return found


def until(wanted: Callable[[], Any], limit_s: float = 60.0) -> Any:
    """Waits until a call returns something true, and returns that."""
    found = comes_true(wanted, limit_s)
    assert found, "it did not come in time"
    return found


def outage_of(source: LiveSource, limit_s: float = 30.0) -> Outage:
    """The next outage that a source tells of; its frames are left out."""
    return until(lambda: taken if isinstance(taken := source.take(), Outage) else None, limit_s)
