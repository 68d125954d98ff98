"""Clients that classify images over HTTP without a pause, while a block runs."""

from __future__ import annotations

import threading

from serving.running import ask
from typing_extensions import Self


class ClassifyingClients:
    """Ask a service until they are stopped.

    Args:
        url: of the service.
        count: of clients.
        image: that they send, as the bytes of its file.
    """

    def __init__(self, url: str, count: int, image: bytes) -> None:
        self._url = url
        self._image = image
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(count)]
        self.failed: list[str] = []
        """Answers that were none, as text."""
        self.hashes: list[str | None] = []
        """Of the models that answered; None: an answer without one."""

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _ask(self) -> None:
        while not self.stopping.is_set():
            answer = ask(f"{self._url}/api/classify", body=self._image)
            if answer.status == 200 and answer.json["status"] == "ok":
                self.hashes.append(answer.json.get("model_sha256"))
            else:
                self.failed.append(answer.content.decode())
