"""How many steps per second a live source takes, compared with the rate that the model was trained at."""

from __future__ import annotations

import logging

from edgecnn.runtime.sources.address import with_colon

__all__ = ["StepRate"]

log = logging.getLogger("edgecnn")

_LEAST_S, _LEAST_INTERVALS = 3.0, 10  # shorter measurements are too noisy
_SLOW = 0.9  # fraction of the trained rate below which a source is too slow


class StepRate:
    """Warns once if a source takes clearly fewer steps than the model was trained at.

    Args:
        name: of the source.
        interval_s: seconds from one step to the next in training.
    """

    def __init__(self, name: str, interval_s: float) -> None:
        self._name = name
        self._interval_s = interval_s
        self._window_s = max(_LEAST_S, _LEAST_INTERVALS * interval_s)
        self._start_s: float | None = None
        self._frames = 0
        self._warned = False

    def add(self, time_s: float) -> None:
        """Counts a frame that takes a step. Several steps at one frame count as one, since they see one image."""
        if self._start_s is None:
            self._start_s = time_s
            return
        self._frames += 1
        elapsed_s = time_s - self._start_s
        if elapsed_s < self._window_s:
            return
        rate, trained = self._frames / elapsed_s, 1 / self._interval_s
        if rate < _SLOW * trained and not self._warned:
            self._warned = True
            log.warning(
                "%s takes %.1f steps/s; the model was trained at %.3g steps/s, so answers may be less accurate; use a "
                "smaller or int8 model, more --threads, or a camera with more frames per second",
                with_colon(self._name),
                rate,
                trained,
            )
        self.restart()
        self._start_s = time_s

    def restart(self) -> None:
        """Restarts the measurement, for example after an outage."""
        self._start_s, self._frames = None, 0
