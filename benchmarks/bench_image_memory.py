"""Memory and time that the largest image of each kind takes which is decoded by default, each in turn.

    python benchmarks/bench_image_memory.py
    python benchmarks/bench_image_memory.py --kinds PNG AVIF

The images are smooth, so that they are quickly written. The exit status is 1 where one takes more than 512 MB.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from costly_images import KINDS, costs

from edgecnn.image.decoding_memory import decoding_bytes
from edgecnn.image.header import read_header
from edgecnn.preprocess import MAX_PIXELS

MOST_BYTES = 8 * MAX_PIXELS
_SMALL = 1000  # pixels of the side of an image that tells bytes a pixel


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    o = parser.parse_args()
    too_much = 0
    print("| kind | megapixels | foretold | taken | processor time |\n| --- | --- | --- | --- | --- |")
    for kind in o.kinds:
        small = KINDS[kind](_SMALL)
        each = decoding_bytes(small, read_header(small), 1, 0) / _SMALL**2
        side = int(min(MAX_PIXELS, 0.99 * MOST_BYTES / each) ** 0.5)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "image"
            path.write_bytes(KINDS[kind](side))
            (cost,) = costs([path])
            foretold_mb = decoding_bytes(path.read_bytes(), read_header(path.read_bytes()), 1, 0) / 1e6
        too_much += cost.memory_mb > MOST_BYTES / 1e6 or bool(cost.said)
        figures = f"{side**2 / 1e6:.1f} | {foretold_mb:.0f} MB | {cost.memory_mb:.0f} MB | {cost.cpu_s:.1f} s"
        print(f"| {kind} | {figures} |{cost.said}", flush=True)
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())
