"""Reads format and size from the header of an image file, and checks that the file is complete, before decoding.

The decoder cannot do this: it allocates memory before it refuses an image (a 109 KB PNG of 30,000 x 30,000 pixels
took 5.2 GB), and OpenCV fills the missing part of a truncated JPEG with grey without an error.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from edgecnn.image.formats.avif_boxes import AvifTruncatedError, box_head, is_avif, read_avif
from edgecnn.image.formats.avif_frame_size import largest_frame
from edgecnn.image.formats.jpeg_segments import EOI, SOF, SOS, jpeg_segments
from edgecnn.image.formats.png_chunks import png_chunks
from edgecnn.image.formats.pnm import largest_value
from edgecnn.image.formats.tiff_tags import read_tiff_tags

__all__ = [
    "FORMATS",
    "HeaderError",
    "ImageHeader",
    "begins_like_image",
    "jpeg2000_components",
    "read_header",
]

FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, PNM, AVIF, JPEG 2000"


class HeaderError(ValueError):
    """The data are not an image of a supported format, or are truncated. The message says which.

    Args:
        reason: what is wrong.
        remedy: what to do.
    """

    def __init__(self, reason: str, remedy: str = "replace or remove the image") -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True)
class ImageHeader:
    """Format and size as the header states them."""

    format: str
    width: int  # pixels, before the EXIF orientation is applied
    height: int
    bits: int = 8  # a channel, where the header says more than 8


def read_header(data: bytes) -> ImageHeader:
    """Reads format and size, and checks that the file is complete if the format allows this check.

    Args:
        data: the complete file.

    Raises:
        HeaderError: unsupported format, invalid header, or truncated file.
    """
    if not data:
        raise HeaderError("the file is empty")
    for name, magic, parse in _PARSERS:
        if _matches(name, magic, data):
            try:
                width, height = parse(data)
                bits = _bits(name, data)
            except (struct.error, IndexError, OverflowError) as error:
                raise HeaderError(f"the {name} file is truncated: its header ends too early") from error
            if width <= 0 or height <= 0:
                raise HeaderError(f"the {name} header states a size of {width} x {height}")
            return ImageHeader(name, width, height, bits)
    from edgecnn.image.other_formats import name_of_format  # noqa: PLC0415  # most files need no names

    if other := name_of_format(data):
        raise HeaderError(f"a {other} file, a format that is not read", "convert it to JPEG or PNG")
    raise HeaderError(f"not an image in a supported format ({FORMATS})")


def _bits(name: str, data: bytes) -> int:
    """Bits a channel where there may be more than eight; 8 for all others."""
    if name == "PNG":
        return max(data[24], 8)
    if name == "PNM":
        return 16 if largest_value(data) > 255 else 8
    if name == "JPEG 2000":
        return 16 if _codestream(data)[42] & 0x7F == 15 else 8  # Ssiz; of 12 bits the decoder takes the upper eight
    return 16 if name == "TIFF" else 8  # of a TIFF the decoder tells


def begins_like_image(data: bytes) -> bool:
    """Whether a file's first 32 bytes are those of a format known here.

    PNM is left out: its two letters begin many a text.
    """
    return any(_matches(name, magic, data) for name, magic, _ in _PARSERS if name != "PNM")


def _matches(name: str, magic: re.Pattern[bytes], data: bytes) -> bool:
    return magic.match(data) is not None and (name != "AVIF" or is_avif(data))


def _cut(name: str, missing: str) -> HeaderError:
    return HeaderError(f"the {name} file is truncated: {missing}")


_MOST_SCANS = 100
"""Of a JPEG; encoders write 3 to 12. The decoder goes over the whole image once for each, and a scan takes few bytes:
a file of a megabyte could keep it busy for minutes."""
_MOST_SCANNED = 1_500_000_000
"""Scans times pixels: 64 megapixels 23 times."""


def _jpeg(data: bytes) -> tuple[int, int]:
    """Reads the markers up to the end-of-image marker, which a truncated file lacks."""
    size = (0, 0)
    scans = 0
    for marker, position in jpeg_segments(data):
        if marker == EOI:
            if size == (0, 0):
                raise HeaderError("the JPEG file contains no image")
            if scans > _MOST_SCANS or scans * size[0] * size[1] > max(_MOST_SCANNED, 4 * size[0] * size[1]):
                raise HeaderError(
                    f"the JPEG file has {scans:,} scans, which would take long to decode", "save it as a baseline JPEG"
                )
            return size
        if marker in SOF and size == (0, 0):  # the first counts, as for the decoder
            height, width = struct.unpack_from(">HH", data, position + 3)
            size = (width, height)
        scans += marker == SOS
    raise _cut("JPEG", "its end-of-image marker is missing")


def _png(data: bytes) -> tuple[int, int]:
    """Reads the chunks up to IEND."""
    width, height = struct.unpack_from(">II", data, 16)
    if any(kind == b"IEND" and end <= len(data) for kind, _, end in png_chunks(data)):
        return width, height
    raise _cut("PNG", "its IEND chunk is missing")


def _webp(data: bytes) -> tuple[int, int]:
    """Reads the RIFF header and the first chunk (RFC 9649)."""
    (riff_size,) = struct.unpack_from("<I", data, 4)
    if len(data) < riff_size + 8:
        raise _cut("WebP", f"{len(data):,} of {riff_size + 8:,} bytes")
    kind = data[12:16]
    if kind == b"VP8X":
        low, high, height_low, height_high = struct.unpack_from("<HBHB", data, 24)  # of 24 bits each, less one
        return (high << 16 | low) + 1, (height_high << 16 | height_low) + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp(data: bytes) -> tuple[int, int]:
    (pixel_offset, header_size) = struct.unpack_from("<II", data, 10)
    if header_size == 12:  # OS/2
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    height = abs(height)  # negative: rows from the top
    row_bytes = (width * bits + 31) // 32 * 4
    if compression == 0 and len(data) < pixel_offset + row_bytes * height:
        raise _cut("BMP", f"{len(data):,} of {pixel_offset + row_bytes * height:,} bytes")
    return width, height


def _gif(data: bytes) -> tuple[int, int]:
    """Reads the blocks up to the end of the first frame, the only one that is decoded (GIF89a)."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    left = _MOST_BLOCKS
    while position < len(data):
        block = data[position]
        if block == 0x2C:
            flags = data[position + 9]
            _after_sub_blocks(data, position + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), left)
            return width, height
        if block != 0x21:
            break
        position, left = _after_sub_blocks(data, position + 2, left - 1)
    raise _cut("GIF", "it contains no complete frame")


_MOST_BLOCKS = 2_000_000
"""Of a GIF, of up to 255 bytes each; with each Python takes a step, and a file of zeros could have millions."""


def _after_sub_blocks(data: bytes, position: int, left: int) -> tuple[int, int]:
    """Where they end, and how many more the file may have."""
    while left >= 0 and data[position]:
        position += data[position] + 1
        left -= 1
    if left < 0:
        raise _cut("GIF", "it has more blocks than any encoder writes")
    return position + 1, left


_LARGE_TILE = 4_000_000
"""Pixels of a tile of a TIFF; larger ones than this and the image itself are nobody's: each is decoded whole."""

_TIFF_NUMBERS = {2: "int", 3: "float"}  # sample formats whose numbers are no levels
_MOST_BITS = 16


def _tiff(data: bytes) -> tuple[int, int]:
    """Reads ImageWidth and ImageLength of the first directory. The decoder refuses a file with missing strips."""
    sizes = read_tiff_tags(data)
    if not {256, 257} <= sizes.keys():
        raise HeaderError("the TIFF file states no size")
    width, height = sizes[256], sizes[257]
    bits, form = sizes.get(258, 1), sizes.get(339, 1)
    if bits > _MOST_BITS or form in _TIFF_NUMBERS:  # the decoder would take up to 24 bytes a pixel for them
        kind_name = _TIFF_NUMBERS.get(form, "uint")
        raise HeaderError(
            f"holds {kind_name}{bits} numbers, of which black and white are not known", "convert it to 8 or 16 bits"
        )
    tile_pixels = sizes.get(322, 0) * sizes.get(323, 0)
    if tile_pixels > max(_LARGE_TILE, width * height):
        raise HeaderError(f"the TIFF file has tiles of {tile_pixels:,} pixels in an image of {width * height:,}")
    return width, height


_PNM_SIZE = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def _pnm(data: bytes) -> tuple[int, int]:
    found = _PNM_SIZE.match(data[:4096])
    if not found:
        raise HeaderError("the PNM file has an invalid header")
    return int(found[1]), int(found[2])


_PADDED_FRAME = 1_000_000
"""Pixels that a frame may have whatever the boxes state: encoders pad small images and the tiles of a grid."""


def _avif(data: bytes) -> tuple[int, int]:
    try:
        image, frame = read_avif(data), largest_frame(data)
    except AvifTruncatedError as error:
        raise _cut("AVIF", "a box ends after the file") from error
    if frame > max(image.width * image.height, _PADDED_FRAME):
        raise HeaderError(
            f"the AVIF file states {image.width} x {image.height} pixels and has a frame of {frame:,} pixels"
        )
    return image.width, image.height


def _jpeg2000(data: bytes) -> tuple[int, int]:
    """Reads the SIZ segment (ITU-T T.800, A.5.1). The decoder refuses a truncated file."""
    width, height, left, top = struct.unpack_from(">IIII", _codestream(data), 8)
    return width - left, height - top


def jpeg2000_components(data: bytes) -> int:
    """Channels of a JPEG 2000 file, as its SIZ segment states them."""
    (components,) = struct.unpack_from(">H", _codestream(data), 40)
    return int(components)


_CODESTREAM = b"\xff\x4f\xff\x51"  # its first two markers
_MOST_BOXES = 200_000
"""Of a JPEG 2000; with each Python takes a step, and a file could have millions."""


def _codestream(data: bytes) -> bytes:
    """From its first marker, SOC, on: the file itself, or what is in its box `jp2c` (ITU-T T.800, annex I).

    The boxes are followed as the decoder follows them: another box may hold what looks like a codestream.
    """
    at, kind = 0, b""
    for _ in range(_MOST_BOXES):
        if data[at : at + 4] == _CODESTREAM or kind == b"jp2c" or at >= len(data):
            break
        kind, content, end = box_head(data, at)
        at = content if kind == b"jp2c" else end
    if data[at : at + 4] != _CODESTREAM:
        raise _cut("JPEG 2000", "it contains no codestream")
    return data[at : at + 64]


_PARSERS: tuple[tuple[str, re.Pattern[bytes], Callable[[bytes], tuple[int, int]]], ...] = tuple(
    (name, re.compile(magic, re.DOTALL), parse)
    for name, magic, parse in (
        ("JPEG", rb"\xff\xd8\xff", _jpeg),
        ("PNG", rb"\x89PNG\r\n\x1a\n", _png),
        ("WebP", rb"RIFF....WEBP", _webp),
        ("BMP", rb"BM.{4}\x00{4}", _bmp),
        ("GIF", rb"GIF8[79]a", _gif),
        ("TIFF", rb"II[\x2a\x2b]\x00|MM\x00[\x2a\x2b]", _tiff),
        ("PNM", rb"P[1-6][\s#]", _pnm),
        ("AVIF", rb".{4}ftyp", _avif),
        ("JPEG 2000", rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", _jpeg2000),
    )
)
