"""What looks at the service while it runs: a page that is opened anew now and then, Prometheus, an MQTT listener."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import threading
import time
import urllib.request

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

__all__ = ["Clients"]

_PAGE_S = 30.0  # a page is open so long; then somebody reloads it
_IMAGE_S = 0.2  # between two requests of the live image
_SCRAPE_S = 2.0  # between two visits of Prometheus


class Clients:
    """Look on, each in a thread, until :meth:`stop`. What fails while the service runs is counted."""

    def __init__(self, url: str, sources: tuple[str, ...], broker_port: int) -> None:
        self._url, self._sources = url, sources
        self._stopping = threading.Event()
        self.events = self.images = self.scrapes = self.pages = self.mqtt_messages = 0
        self.failures: list[str] = []
        self._mqtt = Client(CallbackAPIVersion.VERSION2)
        self._mqtt.on_message = self._heard
        self._mqtt.connect("127.0.0.1", broker_port)
        self._mqtt.subscribe("#")
        self._mqtt.loop_start()
        self._threads = [threading.Thread(target=self._repeat, args=(what,)) for what in (self._page, self._scrape)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends them all."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def _heard(self, _client: Client, _given: object, _message: MQTTMessage) -> None:
        self.mqtt_messages += 1

    def _repeat(self, what) -> None:
        while not self._stopping.is_set():
            try:
                what()
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{what.__name__}: {error!r}")
                self._stopping.wait(1.0)

    def _page(self) -> None:
        """Reads the events, and asks for the live images as the page's script does."""
        self.pages += 1
        end_s = time.monotonic() + _PAGE_S
        address = self._url.removeprefix("http://")
        events, connection = (http.client.HTTPConnection(address, timeout=30) for _ in range(2))
        events.request("GET", "/api/events")
        socket_of_events = events.sock
        reader = threading.Thread(target=self._read_events, args=(events.getresponse(),))
        reader.start()
        try:
            for source in itertools.cycle(self._sources):
                if self._stopping.wait(_IMAGE_S) or time.monotonic() > end_s:
                    return
                connection.request("GET", f"/api/sources/{source}/image")
                answer = connection.getresponse()
                if len(answer.read()) == 0 or answer.status != 200:
                    raise ValueError(f"the image of {source} was answered with {answer.status}")
                self.images += 1
        finally:
            connection.close()
            with contextlib.suppress(OSError):
                socket_of_events.shutdown(socket.SHUT_RDWR)  # the reader waits in a read, which a close would not end
            reader.join()
            events.close()

    def _read_events(self, events: http.client.HTTPResponse) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            while line := events.readline():
                self.events += line.startswith(b"event: ")

    def _scrape(self) -> None:
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=30) as answer:
            answer.read()
        self.scrapes += 1
        self._stopping.wait(_SCRAPE_S)
