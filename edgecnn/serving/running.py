"""Runs the service from its settings until a signal ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from edgecnn.errors import UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http.access import AccessRules, is_loopback
from edgecnn.serving.http.app import make_app
from edgecnn.serving.http.broadcast import Broadcast
from edgecnn.serving.http.health import LONGEST_SILENCE_S
from edgecnn.serving.http.server import HttpServer, listen
from edgecnn.serving.settings.settings import Settings
from edgecnn.serving.state_folder import read_token, state_folder
from edgecnn.serving.supervisor import Supervisor

__all__ = ["check_service", "run_service"]

_TICK_S = 1.0
_STATUS_EVERY_S = 10.0


def run_service(settings: Settings, say: Callable[[str], None]) -> int:
    """Runs the service until SIGTERM or Ctrl-C.

    Args:
        settings: of the service.
        say: prints a line for people.

    Returns:
        The exit status: 0 after SIGTERM.

    Raises:
        EdgeCNNError: it cannot start.
        KeyboardInterrupt: after Ctrl-C, when all is closed.
    """
    folder = state_folder(settings)
    token = read_token(settings, folder)
    if not is_loopback(settings.host) and settings.token_file is None:
        raise UsageError(
            f"--host {settings.host}: others can reach this address, so a token is required; name its file with "
            "--token-file (`openssl rand -base64 24` makes a token)"
        )
    listening = listen(settings.host, settings.port)
    stop = _StopSignals()
    supervisor = Supervisor()
    try:
        service = Service(settings)
        broadcast = Broadcast(service.hub)
        rules = AccessRules(token, settings.host, frozenset(name.lower() for name in settings.allowed_hosts))
        server = HttpServer(make_app(service, rules, broadcast), listening, settings.limits, broadcast)
        server.start()
        with service:
            say(f"live page: http://{_shown(settings.host)}:{server.port}/#token={token}")
            supervisor.ready()
            _watch(service, supervisor, stop)
            supervisor.stopping()
            server.stop()
    finally:
        listening.close()
        stop.restore()
    if stop.received == signal.SIGINT:
        raise KeyboardInterrupt
    return 0


def check_service(settings: Settings) -> None:
    """Opens every file that the settings name, without starting anything. Raises :class:`EdgeCNNError`."""
    read_token(settings, state_folder(settings))
    Service(settings)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _StopSignals:
    """SIGTERM and Ctrl-C, as a request to end. A second one ends the program at once."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._asked = threading.Event()
        self._before = {number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT)}

    def wait(self, timeout_s: float) -> bool:
        """Whether the end was asked for, in this time."""
        return self._asked.wait(timeout_s)

    def restore(self) -> None:
        """Gives the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self.restore()
        self.received = number
        self._asked.set()


def _watch(service: Service, supervisor: Supervisor, stop: _StopSignals) -> None:
    """Tells the supervisor how the service is doing, until the end is asked for."""
    tick_s = min(_TICK_S, supervisor.ping_every_s or _TICK_S)
    ping_at_s = status_at_s = 0.0
    while not stop.wait(tick_s):
        now_s = time.monotonic()
        if supervisor.ping_every_s is not None and now_s >= ping_at_s and service.silent_s < LONGEST_SILENCE_S:
            supervisor.alive()
            ping_at_s = now_s + supervisor.ping_every_s
        if now_s >= status_at_s:
            supervisor.status(_status_line(service))
            status_at_s = now_s + _STATUS_EVERY_S


def _status_line(service: Service) -> str:
    found = [source.status() for source in service.sources.values()]
    up, fps = sum(status.up for status in found), sum(status.fps for status in found)
    models = ", ".join(f"{model.name} {model.current.sha256[:12]}" for model in service.models.values())
    return f"{up} of {len(found)} sources up, {fps:.1f} frames/s, {models}"
