"""Tells systemd how the service is doing: one datagram to the socket that it names (sd_notify(3))."""

from __future__ import annotations

import os
import socket

__all__ = ["Supervisor"]


class Supervisor:
    """Sends to ``$NOTIFY_SOCKET``; without one it does nothing."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        watchdog_us = os.environ.get("WATCHDOG_USEC", "")
        for_this = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.ping_every_s: float | None = (
            int(watchdog_us) / 2e6 if for_this and watchdog_us.isdecimal() and int(watchdog_us) > 0 else None
        )
        """Seconds between two pings: half the time that systemd waits; None: it does not wait for any."""

    def ready(self) -> None:
        """The service answers."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The service ends, as asked."""
        self._send("STOPPING=1")

    def status(self, line: str) -> None:
        """A line for ``systemctl status``."""
        self._send(f"STATUS={' '.join(line.split())}")

    def alive(self) -> None:
        """A sign of life for the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # An address that begins with @ is in Linux's abstract namespace
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.connect(address)
                out.sendall(message.encode())
        except OSError:  # nobody listens any more: that is no reason to stop
            return
