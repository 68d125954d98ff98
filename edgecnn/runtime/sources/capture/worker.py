"""The capture process: reads one camera or stream and writes each frame to shared memory.

It is a separate process because a native read may hang forever and only the end of the process stops it (OpenCV issue
22677), because a crash of a decoder does not affect the main process, and because frames are read at the pace of the
source.

The process reads its order as one line of JSON from standard input (a command line would show passwords in addresses to
all users), writes messages as lines of JSON to standard output, and ends when its standard input is closed, so always
together with its parent.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

import cv2

from edgecnn.error_text import first_line, one_line
from edgecnn.errors import ImageError
from edgecnn.preprocess import Decoded
from edgecnn.runtime.sources import drivers
from edgecnn.runtime.sources.capture.latest_frame import LatestFrame
from edgecnn.runtime.sources.capture.part_of_file import PartOf
from edgecnn.runtime.sources.capture.read_ahead import enumerate_frames, read_ahead
from edgecnn.runtime.sources.capture.worker_order import CaptureOrder
from edgecnn.runtime.sources.drivers.driver import DriverError, FrameIterator, Receiving, UndecodedFrame
from edgecnn.runtime.sources.drivers.table import DRIVERS
from edgecnn.runtime.system.child_pipes import end_with_parent, own_standard_output

if TYPE_CHECKING:  # the table names them; PyInstaller and other packers look for import statements
    from edgecnn.runtime.sources.drivers import csi, fake, http, loop, network_video, opencv  # noqa: F401

__all__ = ["main"]

_MOST_TOLD = 400  # characters
_LONGEST_REST_S = 0.05  # a frame that nobody has read for longer is replaced by a newer one


def main() -> None:
    """Executes the order on standard input. Messages report errors; the exit status is always 0."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the runner ends its children itself
    messages = own_standard_output()
    order = CaptureOrder.from_json(sys.stdin.buffer.readline())
    with suppress(OSError):
        os.chdir(order.folder)  # relative paths in a pipeline mean the user's; it started elsewhere, for Python's sake
    threading.Thread(target=end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)  # the cores belong to the network
    try:
        _capture(order, messages)
    except BrokenPipeError:
        pass
    finally:
        messages.flush()
        os._exit(0)  # threads of a library must not keep the process alive


def _capture(order: CaptureOrder, messages: IO[str]) -> None:
    def tell(**message: Any) -> None:
        messages.write(json.dumps(message) + "\n")

    memory = LatestFrame(order.capacity, order.memory)
    number, told_s = order.first_number, time.monotonic()
    try:
        arrivals = _open(order)
        tell(event="ready")
        frames = enumerate_frames(arrivals, order.first_index)
        rest_s = 0.0
        if DRIVERS[order.kind].reads_ahead:  # the newest of the frames that come during a rest waits undecoded
            frames, rest_s = read_ahead(frames, order.every), _LONGEST_REST_S
        for index, arrival in frames:
            if isinstance(arrival, Receiving):
                tell(event="receiving", reason=arrival.reason)
                continue
            if index % order.every:
                told_s = _tell_alive(index, told_s, order.timeout_s / 4, tell)
                continue
            try:
                _put(arrival, memory, number, index, tell)
                memory.rest_until_read(number, rest_s)
                number += 1
            except ImageError as error:
                tell(event="dropped", index=index, reason=one_line(str(error)))
        tell(event="end")
    except DriverError as error:
        tell(
            event="failed", reason=one_line(str(error))[:_MOST_TOLD], permanent=error.permanent
        )  # it may quote a server
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # a driver's or a library's own: told what it was, and tried again
        tell(event="failed", reason=f"{type(error).__name__}: {first_line(error)}")


def _tell_alive(index: int, told_s: float, every_s: float, tell: Any) -> float:
    """Reports skipped frames from time to time as a sign of life. Returns the time of the last report."""
    now_s = time.monotonic()
    if now_s - told_s < every_s:
        return told_s
    tell(event="passed", index=index)
    return now_s


def _put(arrival: UndecodedFrame, memory: LatestFrame, number: int, index: int, tell: Any) -> None:
    start = time.perf_counter()
    found = arrival.decode()
    decode_ms = arrival.decoding_ms + (time.perf_counter() - start) * 1e3
    decoded = found if isinstance(found, Decoded) else Decoded.whole(found)
    height, width = decoded.image.shape[:2]
    if decoded.image.size > memory.capacity:
        raise ImageError(
            f"frame: {width} x {height} pixels exceed the limit of {memory.capacity // 3 / 1e6:g} megapixels"
        )
    part_of = PartOf.of(decoded, arrival.file)
    memory.write(decoded.image, number, b"" if part_of is None else arrival.file or b"")
    tell(
        event="frame",
        number=number,
        index=index,
        height=height,
        width=width,
        decode_ms=decode_ms,
        captured_monotonic_s=arrival.captured_monotonic_s,
        captured_at=arrival.captured_at,
        part_of=None if part_of is None else asdict(part_of),
    )


def _open(order: CaptureOrder) -> FrameIterator:
    """Opens the driver of a source. Imports only the modules of this kind.

    Raises a permanent :class:`DriverError` if they cannot be imported.
    """
    driver = DRIVERS[order.kind]
    try:
        module = import_module(f"{drivers.__name__}.{driver.module}")
    except ImportError as error:
        why = " ".join(str(error).split())
        raise DriverError(f"{why}; reinstall it, or add the module to the frozen program", permanent=True) from error
    read: Callable[..., FrameIterator] = getattr(module, driver.function)
    return read(order.address, **{name: getattr(order, name) for name in driver.settings})


if __name__ == "__main__":
    main()
