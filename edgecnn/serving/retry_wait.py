"""How long to wait before asking again what did not answer."""

from __future__ import annotations

import random

__all__ = ["retry_wait_s"]


def retry_wait_s(attempt: int, longest_s: float) -> float:
    """Seconds before another attempt: about 1, 2, 4 …, each shorter at random by up to half.

    All devices lose a broker at the same moment. Without chance they would all come back at the same moment, too.

    Args:
        attempt: how many failed since the last success, less one.
        longest_s: no wait is longer.
    """
    chance = random.uniform(0.5, 1.0)  # noqa: S311  # nothing is kept secret by it
    return min(2.0 ** min(attempt, 60), longest_s) * chance
