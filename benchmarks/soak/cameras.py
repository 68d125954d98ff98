"""Two cameras in a process of their own that break off after every 1,000 frames: one in order, the other by a reset."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from mjpeg_server import MjpegCamera

_SAME_FRAMES = 100  # until the shape changes: ten seconds at ten frames a second


def main() -> None:
    """Prints the addresses, and serves until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fps", type=float, required=True)
    parser.add_argument("--frames-each", type=int, required=True)
    o = parser.parse_args()
    for by_reset in (False, True):
        camera = MjpegCamera(o.fps, frames_each=o.frames_each, ends_by_reset=by_reset)
        circles, squares = camera.frames[0::2], camera.frames[1::2]
        camera.frames = [shapes[i % len(shapes)] for shapes in (circles, squares) for i in range(_SAME_FRAMES)]
        print(camera.url, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
