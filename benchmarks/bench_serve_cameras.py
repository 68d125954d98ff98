"""Several cameras in one service against a batch run over as many images.

    python benchmarks/bench_serve_cameras.py model.onnx images --cameras 4 --fps 30 60

The cameras are MJPEG streams of the images (640 x 480 JPEG files of one folder) from a process of their own; the batch
run is `edgecnn predict` on a folder that names the same files again and again. Rounds in turn.
"""

from __future__ import annotations

import argparse
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from bench_serve import serve_round

_IMAGES = 1200  # of the batch run
_BOUNDARY = b"frame"


def be_cameras(port: int, folder: Path, fps: float) -> None:
    """Sends the images to everybody who connects, until it is killed."""
    images = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_send, args=(connection, images, fps), daemon=True).start()


def _send(connection: socket.socket, images: list[bytes], fps: float) -> None:
    connection.recv(4096)
    head = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=" + _BOUNDARY + b"\r\n\r\n"
    with suppress(OSError), connection:
        connection.sendall(head)
        begun_s, number = time.monotonic(), 0
        while True:
            image = images[number % len(images)]
            part = b"--%s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % (_BOUNDARY, len(image))
            connection.sendall(part + image + b"\r\n")
            number += 1
            time.sleep(max(0.0, begun_s + number / fps - time.monotonic()))


def batch_rate(model: str, folder: Path, batch: int) -> float:
    """Images a second of `edgecnn predict`."""
    command = [
        sys.executable,
        "-m",
        "edgecnn",
        "predict",
        model,
        str(folder),
        "--format",
        "jsonl",
        "--batch",
        str(batch),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    match = re.search(r"([\d.]+) a second", said)
    assert match, said
    return float(match[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?")
    parser.add_argument("images", nargs="?", type=Path)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--fps", type=float, nargs="+", default=[30.0, 60.0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--port", type=int, default=5801)
    parser.add_argument("--serve-images", action="store_true", help="be the cameras (used by this program itself)")
    o = parser.parse_args()
    if o.serve_images:
        be_cameras(o.port, o.images, o.fps[0])
        return
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(o.images.glob("*.jpg"))
        for number in range(_IMAGES):
            (Path(folder) / f"{number:05}.jpg").symlink_to(files[number % len(files)].absolute())
        for fps in o.fps:
            compare(o, fps, Path(folder))


def compare(o: argparse.Namespace, fps: float, folder: Path) -> None:
    """Rounds of both at one frame rate."""
    command = [sys.executable, __file__, "-", str(o.images), "--serve-images", "--port", str(o.port), "--fps", str(fps)]
    cameras = subprocess.Popen(command)
    time.sleep(1)
    ratios, fairness = [], []
    for _ in range(o.rounds):
        batch = {size: batch_rate(o.model, folder, size) for size in (1, 8)}
        rates: list[float] = []
        sources = [f"http://127.0.0.1:{o.port}/{i}" for i in range(o.cameras)]
        found = serve_round(o.model, sources, o.seconds, page=False, rates=rates)
        ratios.append(found.decisions_per_s / max(batch.values()))
        fairness.append(min(rates) / max(rates))
        each = ", ".join(f"{rate:.1f}" for rate in rates)
        print(f"{fps:g} fps: {found.decisions_per_s:.1f} decisions/s ({each}), batch run {batch}", flush=True)
    print(f"{fps:g} fps: {statistics.median(ratios):.3f}x of the batch run, slowest of fastest {min(fairness):.3f}")
    cameras.kill()
    cameras.wait()


if __name__ == "__main__":
    main()
