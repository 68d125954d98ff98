"""A camera behind a bad network gives whole frames, only later or fewer of them; or its outage is told with a reason."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from mjpeg_server import MjpegCamera, mjpeg_camera
from tcp_proxy import TcpProxy, Toxics, tcp_proxy
from waiting import outage_of

from edgecnn.runtime.sources import LiveOptions, LiveSource, parse_address

QUICK = LiveOptions(stall_s=2.0, open_s=6.0, first_wait_s=0.05, longest_wait_s=0.2)
FRAMES = 8
HALF = 5_000  # bytes: some frames, and a part of one
SLOW_BYTES_PER_S = 15_000.0


@pytest.fixture(scope="module")
def camera() -> Iterator[MjpegCamera]:
    with mjpeg_camera(fps=25) as camera:
        yield camera


def source_behind(proxy: TcpProxy) -> LiveSource:
    return LiveSource(parse_address(f"http://127.0.0.1:{proxy.port}/video"), QUICK)


@pytest.mark.parametrize(
    "toxics",
    [
        {"latency_s": 0.4},
        {"slice_bytes": 100, "slice_pause_s": 0.001},
        {"slice_bytes": 1},
        {"bytes_per_s": SLOW_BYTES_PER_S},
        {"latency_s": 0.2, "slice_bytes": 700, "slice_pause_s": 0.002, "bytes_per_s": 100_000.0},
    ],
    ids=", ".join,
)
def test_a_slow_or_split_stream_gives_whole_frames_without_an_outage(
    toxics: dict[str, Any], camera: MjpegCamera
) -> None:
    begun_s = time.monotonic()
    with tcp_proxy(camera.port, **toxics) as proxy, source_behind(proxy) as source:
        frames = [next(source) for _ in range(FRAMES)]
        counters = source.counters
    assert {frame.image.shape for frame in frames} == {(64, 64, 3)}
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    assert (counters.connections, counters.outages, counters.dropped) == (1, 0, 0)
    size = sum(map(len, camera.frames)) / len(camera.frames)
    least_s = toxics.get("latency_s", 0.0)
    if "bytes_per_s" in toxics:
        least_s += (FRAMES - 1) * size / toxics["bytes_per_s"] / 2  # the frames differ in size
    assert time.monotonic() - begun_s > least_s, "the proxy did nothing"


@pytest.mark.parametrize(
    ("fault", "reasons"),
    [({"reset_after": HALF}, ("reset", "ended")), ({"limit_data": HALF}, ("ended",)), ({"reset_after": 0}, ("reset", "ended"))],
    ids=["reset in a frame", "cut in a frame", "reset before an answer"],
)  # fmt: skip
def test_a_connection_that_breaks_in_a_frame_is_told_and_survived(
    fault: dict[str, int], reasons: tuple[str, ...], camera: MjpegCamera
) -> None:
    with tcp_proxy(camera.port) as proxy, source_behind(proxy) as source:
        first = next(source)
        proxy.toxics = Toxics(**fault)  # type: ignore[arg-type]
        outage = outage_of(source)
        assert any(reason in outage.reason for reason in reasons), outage.reason
        proxy.toxics = Toxics()
        later = next(source)
        dropped = source.counters.dropped
    assert later.index > first.index
    assert later.image.shape == first.image.shape
    assert dropped == 0, "the part of a frame is none"
    assert proxy.connections >= 2


def test_the_proxy_resets_ends_and_passes_on_every_byte_in_order() -> None:
    """A check through a proxy that loses bytes would find nothing in EdgeCNN."""
    content = bytes(range(256)) * 500
    for toxics, expected in (
        ({"slice_bytes": 999, "latency_s": 0.1}, content),
        ({"limit_data": 1000}, content[:1000]),
        ({"reset_after": 1000}, None),
    ):
        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            tcp_proxy(server.getsockname()[1], **toxics) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as client,
        ):
            with server.accept()[0] as connection:
                connection.sendall(content)
            assert received(client) == expected


def received(client: socket.socket) -> bytes | None:
    """All until the end; None: a reset."""
    content = b""
    try:
        while piece := client.recv(65536):
            content += piece
    except ConnectionResetError:
        return None
    return content
