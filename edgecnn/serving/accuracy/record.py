"""What clients are told of an expected accuracy."""

from __future__ import annotations

from typing import Any

from edgecnn.serving.accuracy.watch import WatchedAccuracy
from edgecnn.serving.engine.latest import StateKey

__all__ = ["accuracy_record"]


def accuracy_record(key: StateKey, watched: WatchedAccuracy) -> dict[str, Any]:
    """As JSON. ``alarm`` is null where drift cannot be told, and ``interval`` as long as there are too few scenes."""
    found = watched.estimate
    return {
        "view": key.view,
        "source": watched.source,
        "region": watched.region,
        "model": key.model,
        "expected_top1": found.expected_top1,
        "interval": found.interval,
        "frames": found.frames,
        "scenes": found.scenes,
        "unknown_share": found.unknown_share,
        "shift": found.shift,
        "alarm": watched.alarm_or_none,
        "reason": watched.reason,
        "since": watched.since,
        "model_sha256": watched.model_sha256,
    }
