"""How much memory the decoder takes for an image file, from what its bytes say before they are decoded.

Pixels alone do not tell: OpenCV takes 6 bytes for each of a baseline JPEG (its result, and a copy of it for Python), 9
to 11 where all coefficients of a JPEG are kept until its last scan, and 41 for an AVIF with alpha. The figures are
measured (``benchmarks/bench_image_memory.py``); the file itself is not counted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from edgecnn.image.formats.avif_frame_size import coded_pixels
from edgecnn.image.formats.jpeg_segments import SOF, SOS, jpeg_segments
from edgecnn.image.formats.png_chunks import png_chunks
from edgecnn.image.formats.pnm import largest_value, states_a_range
from edgecnn.image.formats.tiff_tags import read_tiff_tags
from edgecnn.image.header import ImageHeader, jpeg2000_components

__all__ = ["decoding_bytes"]

_RESULT = 3  # bytes a pixel
_TWICE = 6.1  # the result and its copy, which every format takes at least
_COEFFICIENT = 2  # bytes
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_GIF, _WEBP, _WEBP_ANIMATED, _AVIF = 8.1, 7.1, 11.6, 22.0  # bytes a pixel
_WEBP_MOVES, _WEBP_ALPHA = 0x02, 0x10  # flags of a VP8X chunk
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # of a PNG, by its colour type; those of a palette are decoded
_PNG_ANIMATED, _PNG_ANIMATED_LEAST = 4, 12.1  # canvas, frame, result and copy, in the file's own depth
_MOST = {"JPEG": 11.1, "PNG": 32.0, "WebP": _WEBP_ANIMATED}  # bytes a pixel: below them no byte need be looked at


def decoding_bytes(data: bytes, header: ImageHeader, part: int, enough: int) -> int:
    """Bytes that the decoder will take at once, to some percent.

    Args:
        data: the complete file.
        header: what :func:`~edgecnn.image.header.read_header` told of it.
        part: a JPEG is decoded at one part in so many of its width and height.
        enough: bytes; where no file of this format and size takes more, less is looked at.
    """
    pixels = header.width * header.height
    if pixels * (most := _MOST.get(header.format, enough + 1)) <= enough:
        return round(pixels * most)
    if header.format == "JPEG":
        return _jpeg(data, pixels, part)
    count = _BY_FORMAT.get(header.format)
    return round(pixels * _TWICE if count is None else count(data, pixels))


def _jpeg(data: bytes, pixels: int, part: int) -> int:
    """All coefficients are kept where the scans hold only a share of each (libjpeg-turbo, ``jdcoefct.c``)."""
    result = _RESULT * pixels // part**2
    scans, keeps, share = 0, False, 0.0
    for marker, at in jpeg_segments(data):
        scans += marker == SOS
        if marker in SOF and not share:  # the first counts, as for the decoder
            keeps = marker in _PROGRESSIVE
            components = int.from_bytes(data[at + 7 : at + 8], "big")  # none where the file ends before
            factors = [(byte >> 4, byte & 15) for byte in data[at + 9 : at + 8 + 3 * components : 3]]
            most = max((h for h, _ in factors), default=1) * max((v for _, v in factors), default=1)
            share = sum(h * v for h, v in factors) / max(1, most)
    kept = _COEFFICIENT * share * pixels if keeps or scans > 1 else 0
    return round(max(result * _TWICE / _RESULT, result + kept))


def _png(data: bytes, pixels: int) -> float:
    if not any(kind == b"acTL" for kind, _, _ in png_chunks(data)):
        return pixels * _TWICE
    bytes_a_pixel = _CHANNELS.get(data[25], 4) * (2 if data[24] > 8 else 1)
    return pixels * max(_PNG_ANIMATED_LEAST, _PNG_ANIMATED * bytes_a_pixel)


def _webp(data: bytes, pixels: int) -> float:
    kind, flags = data[12:16], data[20]
    if kind == b"VP8X" and flags & _WEBP_MOVES:
        return pixels * _WEBP_ANIMATED
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return pixels * (_WEBP + int(bits >> 28 & 1))
    return pixels * (_TWICE if kind == b"VP8 " else _WEBP + bool(flags & _WEBP_ALPHA))


def _tiff(data: bytes, pixels: int) -> float:
    """A strip or tile is read, decompressed and turned into four bytes a pixel, each in memory of its own."""
    tags = read_tiff_tags(data)
    width, height = tags[256], tags[257]
    piece = tags.get(322, 0) * tags.get(323, 0) or width * min(height, tags.get(278, height))
    stored = tags.get(277, 1) * -(-tags.get(258, 1) // 8)
    compressed = min(len(data), len(data) * piece / pixels)
    return max(pixels * _TWICE, piece * (stored + 4) + compressed)


def _pnm(data: bytes, pixels: int) -> float:
    """Levels that are spread over eight bits are decoded with all of theirs."""
    return pixels * _TWICE * (2 if states_a_range(data) and largest_value(data) > 255 else 1)


def _avif(data: bytes, pixels: int) -> float:
    return max(pixels * _TWICE, coded_pixels(data) * _AVIF)


def _jpeg2000(data: bytes, pixels: int) -> float:
    """Each sample is 32 bits."""
    return pixels * max(_TWICE, 4 * jpeg2000_components(data) + _RESULT + 0.6)


_BY_FORMAT: dict[str, Callable[[bytes, int], float]] = {
    "PNG": _png,
    "WebP": _webp,
    "GIF": lambda _data, pixels: pixels * _GIF,
    "TIFF": _tiff,
    "PNM": _pnm,
    "AVIF": _avif,
    "JPEG 2000": _jpeg2000,
}
