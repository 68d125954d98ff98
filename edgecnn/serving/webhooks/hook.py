"""One webhook: a bounded queue, and a thread that empties it."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from dataclasses import dataclass

from edgecnn.plain_json import as_json
from edgecnn.runtime.sources.frame import now_rfc3339
from edgecnn.serving.engine.events import Decided, Event
from edgecnn.serving.outage_log import OutageLog
from edgecnn.serving.retry_wait import retry_wait_s
from edgecnn.serving.settings.settings import WebhookSettings
from edgecnn.serving.webhooks.address import HookAddress
from edgecnn.serving.webhooks.attempt import Outcome, post
from edgecnn.serving.webhooks.signature import read_secret, signature

__all__ = ["Hook"]

log = logging.getLogger("edgecnn")

_MOST_WAITING = 100  # changes; the oldest go
_LONGEST_WAIT_S = 60.0


@dataclass(frozen=True)
class _Notice:
    """A change of a decision, without its pixels."""

    delivery: str  # the same in every attempt
    at: str  # RFC 3339
    decided: Decided

    def body(self) -> bytes:
        decided = self.decided
        values = {
            "id": self.delivery,
            "at": self.at,
            "source": decided.source,
            "view": decided.view,
            "region": decided.region,
            "model": decided.model,
            "prediction": as_json(decided.prediction),
        }
        return json.dumps(values).encode()


class Hook:
    """Tells one address of changed decisions, one after the other.

    Args:
        number: of the hook in the settings, from 1.
        settings: of the hook.

    Raises:
        UsageError: the address or the key is wrong.
        InputNotFoundError: the key cannot be read.
    """

    def __init__(self, number: int, settings: WebhookSettings) -> None:
        where = self._where = f"webhook {number}"
        self._settings = settings
        self._address = HookAddress.parse(settings.url, where)
        self._secret = None if settings.secret_file is None else read_secret(settings.secret_file)
        self._outages = OutageLog(f"{where} ({self._address.name})")
        self._notices: deque[_Notice] = deque(maxlen=_MOST_WAITING)
        self._changing = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"edgecnn-webhook-{number}", daemon=True)

    def hear(self, event: Event) -> None:
        """Listener of the hub."""
        if not isinstance(event, Decided) or not event.changed:
            return
        if self._settings.sources and event.source not in self._settings.sources:
            return
        notice = _Notice(str(uuid.uuid4()), now_rfc3339(), event.without_frame())
        with self._changing:
            full = len(self._notices) == _MOST_WAITING
            self._notices.append(notice)
            self._changing.notify()
        if full:
            self._outages.failed(f"more than {_MOST_WAITING} changes wait for it; the oldest are dropped")

    def start(self) -> None:
        """Begins to deliver."""
        self._thread.start()

    def request_stop(self) -> None:
        """Asks for the end. What is not delivered yet is dropped."""
        self._stopping.set()
        with self._changing:
            self._changing.notify()

    def join(self, timeout_s: float) -> None:
        """Waits for the end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        """Body of the thread."""
        while (notice := self._next()) is not None:
            try:
                self._deliver(notice)
            except Exception:  # unattended: the next change may be delivered
                log.exception("%s: an unexpected error; a change was not delivered", self._where)

    def _next(self) -> _Notice | None:
        with self._changing:
            self._changing.wait_for(lambda: bool(self._notices) or self._stopping.is_set())
            return None if self._stopping.is_set() else self._notices.popleft()

    def _deliver(self, notice: _Notice) -> None:
        body = notice.body()
        for attempt in range(self._settings.retries + 1):
            outcome = self._attempt(notice, body)
            if outcome.reason is None:
                self._outages.recovered()
                return
            self._outages.failed(f"a change was not delivered: {outcome.reason}")
            last = attempt == self._settings.retries
            if not outcome.again or last or self._stopping.wait(retry_wait_s(attempt, _LONGEST_WAIT_S)):
                return

    def _attempt(self, notice: _Notice, body: bytes) -> Outcome:
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "edgecnn",
            "X-EdgeCNN-Delivery": notice.delivery,
            "X-EdgeCNN-Timestamp": timestamp,
        }
        if self._secret is not None:
            headers["X-EdgeCNN-Signature"] = signature(self._secret, timestamp, body)
        if self._address.login is not None:
            headers["Authorization"] = self._address.login
        return post(self._address, body, headers, self._settings.timeout_s)
