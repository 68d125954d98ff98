"""Images made by code, and their bytes in every format."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image as Pil  # noqa: TID251  # the oracle, where no loss is at stake

LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}, "BMP": {}, "TIFF": {}, "PPM": {}}


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def blocks(height: int = 32, width: int = 48) -> np.ndarray:
    """Six flat colours in 16 x 16 blocks: what a JPEG keeps, and no turn or mirroring maps onto itself."""
    colors = noise(height // 16, width // 16, seed=3)
    return colors.repeat(16, 0).repeat(16, 1)


def encoded(image: np.ndarray | Pil.Image, kind: str, **options: object) -> bytes:
    image = image if isinstance(image, Pil.Image) else Pil.fromarray(image)
    with io.BytesIO() as out:
        image.save(out, kind, **options)
        return out.getvalue()


def opened(data: bytes) -> np.ndarray:
    with Pil.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def png_of_size(width: int, height: int) -> bytes:
    """A whole, valid PNG of black one-bit pixels, in a thousandth of its decoded size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = zlib.compress(bytes((1 + (width + 7) // 8) * height), 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )
