"""The capture process: reads one camera or stream until it breaks, and puts each frame where the runner finds the
newest.

A process, since a native read may hang for ever and only the end of its process ends it (OpenCV issue 22677); since a
decoder that crashes takes nothing else along; and since frames are taken off the source at its own pace whatever the
runner does.

It is told what to do in one line of JSON on standard input (an address may hold a password, which a command line would
show to every user of the machine), answers in lines of JSON on standard output, and ends when its input does: with its
parent, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import IO, Any

import cv2

from edgecnn.errors import ImageError
from edgecnn.runtime.sources.capture.latest_frame import NewestFrame
from edgecnn.runtime.sources.capture.read_ahead import enumerate_arrivals, read_ahead
from edgecnn.runtime.sources.capture.worker_order import CaptureOrder
from edgecnn.runtime.sources.drivers.driver import Arrival, Grabber, GrabError, Receiving

__all__ = ["main"]

# Their arrivals stay as they are while the next ones come in, and can be decoded beside the reading
_LASTING = ("http", "rtsp")


def main() -> None:
    """Does as the line on standard input says, and ends with status 0 whatever became of the source.

    The messages tell.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the runner ends its children itself
    messages = _own_standard_output()
    order = CaptureOrder(**json.loads(sys.stdin.buffer.readline()))
    with suppress(OSError):
        os.chdir(order.folder)  # relative paths in a pipeline mean the user's; it started elsewhere, for Python's sake
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)  # the cores are the network's
    try:
        _capture(order, messages)
    except BrokenPipeError:
        pass
    finally:
        messages.flush()
        os._exit(0)  # a library's threads must not hold it


def _own_standard_output() -> IO[str]:
    """The pipe to the runner, under a number that no library prints to."""
    messages = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)  # what FFmpeg prints may hold the address
    return messages


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(2**10):
        pass
    os._exit(0)


def _capture(order: CaptureOrder, messages: IO[str]) -> None:
    def tell(**message: Any) -> None:
        messages.write(json.dumps(message) + "\n")

    memory = NewestFrame(order.capacity, order.memory)
    number, told_s = order.first_number, time.monotonic()
    try:
        arrivals = enumerate_arrivals(_open(order), order.first_index)
        if order.kind in _LASTING:
            arrivals = read_ahead(arrivals, order.every)
        for index, arrival in arrivals:
            if isinstance(arrival, Receiving):
                tell(event="receiving", reason=arrival.reason)
                continue
            if index % order.every:
                told_s = _tell_alive(index, told_s, order.timeout_s / 4, tell)
                continue
            try:
                _put(arrival, memory, number, index, tell)
                number += 1
            except ImageError as error:
                tell(event="dropped", index=index, reason=str(error))
        tell(event="end")
    except GrabError as error:
        tell(event="failed", reason=str(error), permanent=error.permanent)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  # a driver's or a library's own: told what it was, and tried again
        tell(event="failed", reason=f"{type(error).__name__}: {(str(error).splitlines() or ['without a word'])[0]}")


def _tell_alive(index: int, told_s: float, every_s: float, tell: Any) -> float:
    """Frames that are passed over are a sign of life, given now and then; returns when the last was."""
    now_s = time.monotonic()
    if now_s - told_s < every_s:
        return told_s
    tell(event="passed", index=index)
    return now_s


def _put(arrival: Arrival, memory: NewestFrame, number: int, index: int, tell: Any) -> None:
    start = time.perf_counter()
    image = arrival.decode()
    decode_ms = (time.perf_counter() - start) * 1e3
    height, width = image.shape[:2]
    if image.size > memory.capacity:
        raise ImageError(
            f"frame: {width} x {height} pixels are more than the limit of {memory.capacity // 3 / 1e6:g} megapixels"
        )
    memory.write(image, number)
    tell(
        event="frame",
        number=number,
        index=index,
        height=height,
        width=width,
        decode_ms=decode_ms,
        captured_monotonic_s=arrival.captured_monotonic_s,
        captured_at=arrival.captured_at,
    )


def _open(order: CaptureOrder) -> Grabber:
    """Imports what this kind alone needs."""
    if order.kind == "fake":
        from edgecnn.runtime.sources.drivers.fake import grab_fake  # noqa: PLC0415

        return grab_fake(order.address)
    if order.kind == "http":
        from edgecnn.runtime.sources.drivers.http import grab_http  # noqa: PLC0415

        return grab_http(order.address, order.max_pixels, order.timeout_s, order.interval_s)
    if order.kind == "csi":
        from edgecnn.runtime.sources.drivers.csi import grab_csi  # noqa: PLC0415

        return grab_csi(order.address)
    if order.kind == "rtsp":
        from edgecnn.runtime.sources.drivers.network_video import grab_rtsp  # noqa: PLC0415

        return grab_rtsp(order.address, order.max_pixels, order.timeout_s)
    from edgecnn.runtime.sources.drivers import opencv as grab_opencv  # noqa: PLC0415

    if order.kind == "camera":
        return grab_opencv.grab_camera(order.address)
    if order.kind == "gstreamer":
        return grab_opencv.grab_gstreamer(order.address)
    raise AssertionError(f"no driver for sources of the kind '{order.kind}'")


if __name__ == "__main__":
    main()
