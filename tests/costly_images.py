"""Images of every kind that costs the decoder another amount of memory, and how much one takes.

As a program it is the process that decodes: ``python costly_images.py FILE…`` prints a line of JSON for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from encoded_images import encoded
from PIL import Image as Pil  # noqa: TID251  # writes what is read here

_ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """What decoding an image took, besides its file."""

    said: str  # "" or why it was refused
    memory_mb: float  # the most that the process held, above what it held before
    cpu_s: float


def _pixels(side: int, mode: str) -> Pil.Image:
    ramp = (np.arange(side) * 255 // side).astype(np.uint8)
    image = np.broadcast_to(ramp[:, None, None], (side, side, len(mode))).copy()
    return Pil.fromarray(image[..., 0] if len(mode) == 1 else image, mode)


def _one(side: int, kind: str, mode: str = "RGB", **options: object) -> bytes:
    return encoded(_pixels(side, mode), kind, **options)


def _moving(side: int, kind: str, mode: str = "RGB", **options: object) -> bytes:
    first = _pixels(side, mode)
    return encoded(first, kind, save_all=True, append_images=[first.rotate(180)], **options)


def _deep(side: int, suffix: str, *options: int) -> bytes:
    """16 bits, four channels where the format has them."""
    image = np.asarray(_pixels(side, "RGB" if suffix == ".ppm" else "RGBA")).astype(np.uint16) * 257
    return bytes(cv2.imencode(suffix, image, options)[1])


def _twelve_bits(side: int) -> bytes:
    levels = np.asarray(_pixels(side, "RGB")).astype(">u2") * 16
    return b"P6\n%d %d\n4095\n" % (side, side) + levels.tobytes()


def _one_strip(side: int) -> bytes:
    return _deep(side, ".tiff", cv2.IMWRITE_TIFF_ROWSPERSTRIP, side)


KINDS: dict[str, Callable[[int], bytes]] = {
    "JPEG": partial(_one, kind="JPEG"),
    "JPEG progressive 4:4:4": partial(_one, kind="JPEG", progressive=True, subsampling=0),
    "JPEG progressive CMYK": partial(_one, kind="JPEG", mode="CMYK", progressive=True),
    "PNG": partial(_one, kind="PNG", compress_level=1),
    "PNG RGBA of 16 bits": partial(_deep, suffix=".png"),
    "APNG RGBA": partial(_moving, kind="PNG", mode="RGBA", compress_level=1),
    "WebP": partial(_one, kind="WEBP", method=0),
    "WebP lossless RGBA": partial(_one, kind="WEBP", mode="RGBA", lossless=True, quality=0, method=0),
    "WebP animated": partial(_moving, kind="WEBP", method=0),
    "GIF": partial(_one, kind="GIF", mode="L"),
    "BMP": partial(_one, kind="BMP"),
    "TIFF RGBA of 16 bits": partial(_deep, suffix=".tiff"),
    "TIFF RGBA of 16 bits, one strip": _one_strip,
    "PPM of 16 bits": partial(_deep, suffix=".ppm"),
    "PPM of 12 bits": _twelve_bits,
    "AVIF": partial(_one, kind="AVIF", speed=10),
    "AVIF RGBA 4:4:4": partial(_one, kind="AVIF", mode="RGBA", speed=10, subsampling="4:4:4"),
    "JPEG 2000": partial(_one, kind="JPEG2000"),
    "JPEG 2000 RGBA": partial(_one, kind="JPEG2000", mode="RGBA"),
}


def costs(paths: Sequence[Path]) -> list[Cost]:
    """Decodes each file in a process that gives back at once what it frees."""
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, __file__, *map(str, paths)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return [Cost(**json.loads(line)) for line in done.stdout.splitlines()]


def _held_mb(name: str) -> float:
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    from edgecnn.errors import ImageError
    from edgecnn.preprocess import decode

    cv2.setNumThreads(1)
    decode(_one(8, "PNG"))
    for path in sys.argv[1:]:
        data = Path(path).read_bytes()
        Path("/proc/self/clear_refs").write_text("5")  # the most so far is forgotten (proc(5))
        before_mb, start_s, said = _held_mb("VmRSS"), time.process_time(), ""
        try:
            decode(data)
        except ImageError as error:
            said = str(error)
        cost = Cost(said, _held_mb("VmHWM") - before_mb, time.process_time() - start_s)
        print(json.dumps(vars(cost)), flush=True)


if __name__ == "__main__":
    main()
