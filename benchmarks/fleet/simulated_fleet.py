"""Simulated devices that one thread serves in turn."""

from __future__ import annotations

import contextlib
import selectors
import threading
import time

from simulated_device import KEEPALIVE_S, Device

TICK_S = 0.5  # between two looks of the service for what is due


class Fleet:
    """Devices that one thread serves in turn."""

    def __init__(self, port: int, change_s: float) -> None:
        self.devices: list[Device] = []  # those that live
        self.lost = 0  # connections that the broker ended
        self._port = port
        self._change_s = change_s
        self._selector = selectors.DefaultSelector()
        self._working = threading.Lock()
        self._ended = threading.Event()
        self.deciding = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def grow(self, count: int) -> None:
        """Adds devices until there are so many."""
        for number in range(len(self.devices), count):
            device = Device(f"device-{number:05d}")
            with self._working:
                try:
                    device.open(self._port)
                except OSError:
                    self.lost += 1
                    continue
                self._selector.register(device.socket, selectors.EVENT_READ, device)
                self.devices.append(device)

    def take(self, count: int) -> list[Device]:
        """Removes devices, which are not served any more."""
        with self._working:
            taken, self.devices = self.devices[:count], self.devices[count:]
            for device in taken:
                self._selector.unregister(device.socket)
        return taken

    def stop(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        turn = 0
        while not self._ended.is_set():
            end_s = time.monotonic() + TICK_S
            while (left_s := end_s - time.monotonic()) > 0:
                with self._working:
                    ready = self._selector.select(0)
                    for key, _ in ready:
                        self._read(key.data)
                if not ready:
                    time.sleep(min(0.005, max(0.0, left_s)))
            turn += 1
            self._tick(turn)

    def _read(self, device: Device) -> None:
        if not device.read():
            self.lost += 1
            self._selector.unregister(device.socket)
            self.devices.remove(device)

    def _tick(self, turn: int) -> None:
        """Each device has its own moment of changing, spread evenly."""
        every = max(1, round(self._change_s / TICK_S)) if self._change_s else 0
        for place, device in enumerate(tuple(self.devices)):
            with self._working, contextlib.suppress(OSError):
                if self.deciding and every and (turn + place) % every == 0:
                    device.change()
                else:
                    device.tick()
                if (turn + place) % round(KEEPALIVE_S / TICK_S) == 0:
                    device.ping()
