"""Runs the service from its settings until a signal ends it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import UsageError
from edgecnn.serving.engine.service import Service
from edgecnn.serving.free_memory import give_back_memory
from edgecnn.serving.http.access import AccessRules, is_loopback
from edgecnn.serving.http.app import make_app
from edgecnn.serving.http.broadcast import Broadcast
from edgecnn.serving.http.health import LONGEST_SILENCE_S
from edgecnn.serving.http.server import HttpServer, listen
from edgecnn.serving.parts import make_parts
from edgecnn.serving.screen_lines import ScreenLines
from edgecnn.serving.settings.settings import Settings
from edgecnn.serving.short_hash import short_hash
from edgecnn.serving.state_folder import TOKEN_FILE, own_state, read_token, state_folder, warn_of_shared_token
from edgecnn.serving.stop_signals import EndLimit, StopSignals
from edgecnn.serving.supervisor import Supervisor
from edgecnn.serving.swap.restoring import restore_models
from edgecnn.serving.url_host import url_host

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RunningService", "check_service", "run_service"]

_LOGGED_BY_SYSTEMD = frozenset(("JOURNAL_STREAM", "NOTIFY_SOCKET"))
_EVERY_ADDRESS = frozenset(("0.0.0.0", "::"))  # noqa: S104  # what somebody asked for, not a default
_TICK_S = 1.0
_STATUS_EVERY_S = 10.0
_FIRST_TRIM_S, _TRIM_EVERY_S = 3.0, 60.0


class RunningService:
    """The service, its parts and its server, while a ``with`` block runs.

    Args:
        settings: of the service.

    Raises (when the block is entered):
        EdgeCNNError: it cannot start. Nothing runs then.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = state_folder(settings)
        with ExitStack() as resources:
            resources.enter_context(own_state(self._folder))
            self.token = _token(settings, self._folder)
            """What a client sends as ``Authorization: Bearer TOKEN``."""
            listening = resources.enter_context(listen(settings.host, settings.port))
            restored = restore_models(settings, self._folder)
            opened = {name: model.current for name, model in restored.items()}
            self.service = Service(settings, self._folder, opened)
            """The models and sources."""
            self._parts = make_parts(self.service, self._folder, restored)
            broadcast = Broadcast(self.service.hub)
            rules = AccessRules(self.token, settings.host, frozenset(name.lower() for name in settings.allowed_hosts))
            endpoints = [endpoint for part in self._parts for endpoint in part.endpoints()]
            app = make_app(self.service, rules, broadcast, endpoints)
            self._server = HttpServer(app, listening, settings.limits, broadcast)
            self._running = resources.pop_all()  # ends what runs, in reverse order

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{url_host(self._settings.host)}:{self._server.port}"

    def greeting(self) -> str:
        """The line that names the page. A log of the system is read by others, so the token does not go there."""
        if os.environ.keys() & _LOGGED_BY_SYSTEMD or self._settings.token_file is not None:
            return f"live page: {self.url}/ (token in {self._settings.token_file or self._folder / TOKEN_FILE})"
        return f"live page: {self.url}/#token={self.token}"

    def from_elsewhere(self) -> str | None:
        """The line that says how other machines reach the page; None: they do not, or the greeting says it."""
        if self._settings.host not in _EVERY_ADDRESS:
            return None
        return f"from other machines: http://{socket.gethostname()}:{self._server.port}/, or this machine's address"

    def __enter__(self) -> Self:
        warn_of_shared_token(self._settings, self._folder)
        with self._running as started:  # what fails to start ends what runs already
            self._server.start()
            started.callback(self._server.stop)
            for part in self._parts:
                part.start()
                started.callback(part.stop)
            self.service.start()
            started.callback(self.service.stop)
            self._running = started.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    @property
    def alive(self) -> bool:
        """Whether requests are answered and no source's thread hangs."""
        return self._server.running and self.service.silent_s < LONGEST_SILENCE_S


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
    stop, limit = StopSignals(), EndLimit()
    try:
        starting = RunningService(settings)
        lines = ScreenLines(starting.service, say)
        with starting as running:
            say(running.greeting())
            if (elsewhere := running.from_elsewhere()) is not None:
                say(elsewhere)
            lines.begin()
            supervisor = Supervisor()
            supervisor.ready()
            _watch(running, supervisor, stop, lines.print_waiting)
            supervisor.stopping()
    finally:
        stop.restore()
        if stop.received is None:
            limit.lift()
    if stop.received == signal.SIGINT:
        raise KeyboardInterrupt("the service has stopped")
    return 0


def _token(settings: Settings, folder: Path) -> str:
    if not is_loopback(settings.host) and settings.token_file is None:
        raise UsageError(
            f"--host {settings.host}: others can reach this address, so a token is required; name its file with "
            "--token-file (`openssl rand -base64 24` makes a token)"
        )
    return read_token(settings, folder)


def check_service(settings: Settings) -> None:
    """Opens every file that the settings name, without starting anything. Raises :class:`EdgeCNNError`."""
    folder = state_folder(settings)
    _token(settings, folder)
    make_parts(Service(settings, folder), folder)


def _watch(
    running: RunningService, supervisor: Supervisor, stop: StopSignals, tick: Callable[[], None] = lambda: None
) -> None:
    """Tells the supervisor how the service is doing, until the end is asked for. ``tick`` is called in each turn."""
    tick_s = min(_TICK_S, supervisor.ping_every_s or _TICK_S)
    ping_at_s = status_at_s = 0.0
    trim_at_s = time.monotonic() + _FIRST_TRIM_S
    while not stop.wait(tick_s):
        tick()
        now_s = time.monotonic()
        if supervisor.ping_every_s is not None and now_s >= ping_at_s and running.alive:
            supervisor.alive()
            ping_at_s = now_s + supervisor.ping_every_s
        if now_s >= status_at_s:
            supervisor.status(_status_line(running.service))
            status_at_s = now_s + _STATUS_EVERY_S
        if now_s >= trim_at_s:
            give_back_memory()
            trim_at_s = now_s + _TRIM_EVERY_S


def _status_line(service: Service) -> str:
    found = [source.status() for source in service.sources.values()]
    up, fps = sum(status.up for status in found), sum(status.fps for status in found)
    models = ", ".join(f"{model.name} {short_hash(model.current.sha256)}" for model in service.models.values())
    return f"{up} of {len(found)} sources up, {fps:.1f} frames/s, {models}"
