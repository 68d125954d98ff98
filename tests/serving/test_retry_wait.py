"""Devices that lost the same broker do not all come back at the same moment."""

from __future__ import annotations

import pytest

from edgecnn.serving.retry_wait import retry_wait_s


@pytest.mark.parametrize(("attempt", "longest"), [(0, 1.0), (1, 2.0), (2, 4.0), (4, 16.0), (5, 30.0), (100_000, 30.0)])
def test_waits_grow_up_to_the_longest_and_differ(attempt: int, longest: float) -> None:
    waits = [retry_wait_s(attempt, 30.0) for _ in range(1000)]
    assert longest / 2 <= min(waits) < 0.55 * longest
    assert 0.95 * longest < max(waits) <= longest
    assert len(set(waits)) > 900
