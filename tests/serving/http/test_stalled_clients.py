"""Clients that read nothing, or stop in the middle of a request, hold up neither decisions nor other clients.

`benchmarks/bench_stalled_clients.py` measures the same for longer; the bounds here allow for a busy machine.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from pathlib import Path

import pytest
from serving.running import TINY, ServiceProcess, ask, running, serving
from serving.stalled_clients import is_closed, stalled_clients
from waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's state of a connection and of a process")


def frames(service: ServiceProcess) -> int:
    return ask(f"{service.url}/api/state").json["sources"][0]["frames"]


def rate(service: ServiceProcess, seconds: float) -> float:
    start_s, before = time.monotonic(), frames(service)
    time.sleep(seconds)  # measures how many come in this time
    return (frames(service) - before) / (time.monotonic() - start_s)


def memory_mb(service: ServiceProcess) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{service.process.pid}/status").read_text())
    assert found
    return int(found[1]) / 1024


def test_fifty_stalled_clients_cost_little(tmp_path: Path) -> None:
    with serving(TINY, "fake:320x240@20", env={"XDG_STATE_HOME": str(tmp_path)}) as service:
        until(lambda: frames(service) > 20)
        alone, memory = rate(service, 1.0), memory_mb(service)
        with stalled_clients(int(service.url.rpartition(":")[2]), 50, "camera"):
            beside = rate(service, 2.0)
            assert memory_mb(service) - memory < 50
            assert ask(f"{service.url}/api/sources/camera/image", timeout_s=10).status == 200
        assert beside > 0.3 * alone, (alone, beside)
        assert service.stop() == 0


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    """It asks for more than the kernel keeps for it."""
    with running(tmp_path, limits={"silent_s": 1.0, "request_s": 1.0}) as service:
        host, port = service.url.removeprefix("http://").split(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.sendall(f"GET /api/state HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 1500)
            until(lambda: is_closed(client))


def test_a_client_that_reads_steadily_is_kept(tmp_path: Path) -> None:
    """It may be slow, as long as it takes ten kilobytes a second."""
    with running(tmp_path, limits={"silent_s": 0.5, "request_s": 1.0}) as service:
        host, port = service.url.removeprefix("http://").split(":")
        wanted = 600
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"GET /v2/health/live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * wanted)
            content = b""
            while content.count(b"HTTP/1.1 200") < wanted or not content.endswith(b"}"):
                part = client.recv(8192)
                assert part, f"cut off after {content.count(b'HTTP/1.1 200')} answers"
                content += part
                time.sleep(0.01)  # about 0.5 MB/s: slower than the service writes


def test_connections_beyond_the_limit_are_closed_and_others_go_on(tmp_path: Path) -> None:
    with running(tmp_path, limits={"connections": 3, "request_s": 5.0}) as service:
        host, port = service.url.removeprefix("http://").split(":")
        held = [socket.create_connection((host, int(port)), timeout=5) for _ in range(3)]
        try:
            until(lambda: not _answers(service.url))
        finally:
            for client in held:
                client.close()
        until(lambda: _answers(service.url))


def _answers(url: str) -> bool:
    try:
        return ask(f"{url}/healthz", timeout_s=5).status == 200
    except OSError:
        return False
