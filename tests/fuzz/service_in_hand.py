"""The service's application without a server: what a request is answered with, and whether it has changed anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from serving.http.attack import TOKEN
from serving.running import TINY
from starlette.types import ASGIApp

from edgecnn.runtime import frame_classifier
from edgecnn.runtime.session.opening import open_session
from edgecnn.serving.collect import store
from edgecnn.serving.collect.part import CollectPart
from edgecnn.serving.engine.service import Service
from edgecnn.serving.http import live
from edgecnn.serving.http.access import AccessRules
from edgecnn.serving.http.app import make_app
from edgecnn.serving.http.broadcast import Broadcast
from edgecnn.serving.parts import Part, make_parts
from edgecnn.serving.settings.settings import Settings
from edgecnn.serving.swap.errors import SwapRefusedError
from edgecnn.serving.swap.swaps import Swaps
from edgecnn.serving.teaching.teacher import Teacher

SOURCE = "door"
BODY_BYTES = 10_000  # at most
_PIECES = 2  # in which a body arrives


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    content: bytes


class ServiceInHand:
    """A service whose source does not run."""

    def __init__(self, service: Service, app: ASGIApp, folder: Path) -> None:
        self._service = service
        self._app = app
        self._folder = folder
        self._loop = asyncio.new_event_loop()

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def answer(self, scope: Mapping[str, Any], body: bytes) -> Answered:
        """Sends a request, whose client then goes away, and waits for its answer."""
        half = -(-len(body) // _PIECES)
        pieces = [body[i : i + half] for i in range(0, len(body), half)] if body else [b""]
        messages = [
            {"type": "http.request", "body": piece, "more_body": number < len(pieces)}
            for number, piece in enumerate(pieces, start=1)
        ]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        self._loop.run_until_complete(_called(self._app, dict(scope), receive, send))
        return Answered(sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:]))

    def state(self) -> tuple[object, ...]:
        """All that a request could change."""
        found = [(path, path.stat()) for path in self._folder.rglob("*") if path.is_file()]
        files = tuple((str(path), about.st_mtime_ns, about.st_size) for path, about in found)
        models = tuple((name, model.current.sha256) for name, model in self._service.models.items())
        return self._service.regions(SOURCE), models, files

    def forget(self) -> None:
        """Takes back what requests may change, so that none depends on those before it."""
        if self._service.regions(SOURCE):
            self._service.draw_regions(SOURCE, ())


async def _called(
    app: ASGIApp, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    await app(scope, receive, send)


@contextmanager
def service_in_hand() -> Iterator[ServiceInHand]:
    """A service with the tiny model, a source, and a folder for collected frames. No model file is opened for it."""
    with TemporaryDirectory() as name, ExitStack() as patches:
        folder = Path(name)
        for patch in _patches():
            patches.enter_context(patch)
        service = Service(_settings(folder), folder / "state")
        broadcast = Broadcast(service.hub)
        parts = make_parts(service, folder / "state")
        _open_store(parts)
        endpoints = [endpoint for part in parts for endpoint in part.endpoints()]
        app = make_app(service, AccessRules(TOKEN, "127.0.0.1"), broadcast, endpoints)
        held = ServiceInHand(service, app, folder)
        try:
            yield held
        finally:
            held.close()


def _open_store(parts: Sequence[Part]) -> None:
    """Of the collected frames, without the thread that writes them."""
    (collect,) = (part for part in parts if isinstance(part, CollectPart))
    assert collect.writer is not None
    collect.writer._open()
    assert collect.writer.store is not None, collect.writer.problem


def _patches() -> Sequence[Any]:
    refused = mock.Mock(side_effect=SwapRefusedError("model files have targets of their own; send another"))
    return (
        mock.patch.object(frame_classifier, "open_session", partial(open_session, trusted=True)),
        mock.patch.object(Swaps, "submit", refused),  # it starts a process
        mock.patch.object(Teacher, "_begin", mock.Mock(return_value="0" * 12)),  # so does it
        mock.patch.object(live, "_LONGEST_WAIT_S", 0.0),  # for a frame
        mock.patch.object(store, "_flush", mock.Mock()),  # of every disk of the machine
    )


def _settings(folder: Path) -> Settings:
    (folder / "state").mkdir()
    return Settings.model_validate(
        {
            "device": "in-hand",
            "models": [{"file": TINY, "ep": "cpu", "threads": 1}],
            "sources": [{"name": SOURCE, "address": "fake:160x120@10"}],
            "limits": {"body_mb": BODY_BYTES / 1e6, "model_mb": BODY_BYTES / 1e6, "megapixels": 1.0},
            "collect": {"dir": folder / "collected"},
        }
    )
