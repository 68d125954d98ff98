"""Reports that another system cannot be reached once, and that it is back once."""

from __future__ import annotations

import logging

__all__ = ["OutageLog"]

log = logging.getLogger("edgecnn")


class OutageLog:
    """Logs each reason once until the recovery, and the recovery.

    Args:
        name: of the other system, without passwords.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._reasons: set[str] = set()

    def failed(self, reason: str) -> None:
        """It cannot be reached. The same reason again is not logged."""
        if reason not in self._reasons:
            log.warning("%s: %s", self._name, reason)
        self._reasons.add(reason)

    def recovered(self) -> None:
        """It is reached."""
        if self._reasons:
            log.warning("%s: works again", self._name)
        self._reasons.clear()
