"""What is read of an image file before and after its pixels are decoded; the decoder is left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fuzz.promises import Look, Outcome, require, require_line
from fuzz.stand_in_decoder import stand_in_decoder

from edgecnn.errors import ImageError
from edgecnn.image.decoding import decode_part
from edgecnn.image.encoder_quantization import jpeg_quantization, webp_quantizer
from edgecnn.image.exif import exif_orientation
from edgecnn.image.header import HeaderError, begins_like_image, read_header

LONGEST = 4096
WORDS = (
    b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xd9", b"\xff\xdb", b"\xff\xe1", b"Exif\0\0",
    b"\x89PNG\r\n\x1a\n", b"IHDR", b"IEND", b"acTL", b"eXIf", b"RIFF", b"WEBPVP8X", b"WEBPVP8L", b"WEBPVP8 ", b"EXIF",
    b"BM", b"GIF89a", b"\x2c", b"\x21\xf9", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\x01\x01", b"\x01\x42",
    b"P6 ", b"P5\n", b"#\n", b"65535\n", b"4095 ", b"ftypavif", b"meta", b"iinf", b"infe", b"av01", b"iloc", b"idat",
    b"iprp", b"ipco", b"ipma", b"ispe", b"pitm", b"irot", b"imir", b"colrnclx", b"av1C", b"moov", b"trak", b"mdia",
    b"minf", b"stbl", b"stco", b"co64", b"\0\0\0\x0cjP  \r\n\x87\n", b"jp2c", b"\xff\x4f\xff\x51", b"8BPS", b"<svg",
    b"DICM", b"TRUEVISION-XFILE.", b"\xff\xff\xff\xff", b"\0\0\0\x01", b"\0\0\0\x08",
)  # fmt: skip


@contextmanager
def opened() -> Iterator[Look]:
    with stand_in_decoder():
        yield _look


def _look(data: bytes) -> Outcome:
    require(1 <= exif_orientation(data) <= 8, "no orientation")
    steps, quantizer = jpeg_quantization(data), webp_quantizer(data)
    require(steps is None or 0 <= steps < 1 << 16, f"a step of {steps}")
    require(quantizer is None or 0 <= quantizer <= 127, f"a quantizer of {quantizer}")
    _read(data)
    try:
        decoded = decode_part(data, lambda height, width: 2 if (height + width) % 2 else 1, "image.png")
    except ImageError as error:
        require_line(str(error))
        require("; " in str(error), f"no remedy: {error}")
        return "refused"
    require(min(decoded.full_size) > 0, "an image without pixels")
    return "accepted"


def _read(data: bytes) -> None:
    try:
        header = read_header(data)
    except HeaderError:
        return
    require(min(header.width, header.height) > 0 and 8 <= header.bits <= 255, f"states {header}")
    require(header.format == "PNM" or begins_like_image(data[:32]), "another beginning for each reader")
