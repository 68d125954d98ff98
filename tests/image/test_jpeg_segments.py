"""All that reads a JPEG without decoding it finds the segments that the decoder finds."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image  # noqa: TID251  # writes what is read here

from edgecnn.image.decoding_memory import decoding_bytes
from edgecnn.image.encoder_quantization import jpeg_quantization
from edgecnn.image.exif import exif_orientation
from edgecnn.image.formats.jpeg_segments import SOS, jpeg_segments
from edgecnn.image.header import HeaderError, read_header
from edgecnn.preprocess import decode

PIXELS = np.zeros((16, 24, 3), np.uint8)
PIXELS[:8, :12], PIXELS[8:, :12], PIXELS[:8, 12:] = 255, 120, 60  # unlike itself however it is turned
STEPS = 29.03  # mean quantization step of the brightness at Pillow's quality of 75


def plain(**options: object) -> bytes:
    with io.BytesIO() as out:
        Image.fromarray(PIXELS).save(out, "JPEG", subsampling=0, **options)
        return out.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def exif(orientation: int | None) -> bytes:
    entries = [] if orientation is None else [struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)]
    return segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(entries) + bytes(4))


def steps(step: int) -> bytes:
    """A table of equal steps for the brightness."""
    return segment(0xDB, b"\0" + bytes([step]) * 64)


def before(marker: int, content: bytes, data: bytes) -> bytes:
    at = data.index(bytes([0xFF, marker]))
    return data[:at] + content + data[at:]


TURNED = plain()[:2] + exif(6) + plain()[2:]
XMP = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")

FILES = {
    "baseline": TURNED,
    "progressive": plain(progressive=True)[:2] + exif(6) + plain(progressive=True)[2:],
    "other segments": plain()[:2]
    + segment(0xED, b"Photoshop 3.0\0")
    + XMP
    + exif(6)
    + segment(0xFE, b"?")
    + plain()[2:],
    "fill bytes": before(0xDB, b"\xff", before(0xE1, b"\xff\xff\xff", TURNED)),
    "garbage between segments": before(0xDB, b"abc\xff\0\xff\xd3" + exif(6) + b"\0", plain()),
    "a marker without a length": before(0xE1, b"\xff\x01", TURNED),
    "EXIF behind the frame header": before(0xDA, exif(6), plain()),
    "EXIF without an orientation first": plain()[:2] + exif(None) + exif(6) + plain()[2:],
    "broken EXIF first": plain()[:2] + segment(0xE1, b"Exif\0\0II") + exif(6) + plain()[2:],
    "two orientations": plain()[:2] + exif(6) + exif(3) + plain()[2:],
    "a marker within a segment": plain()[:2] + segment(0xE2, b"\xff\xda\xff\xd9" + exif(3) + steps(99)) + TURNED[2:],
    "more after the image": TURNED + exif(3) + steps(99),
    "a table that is written over": before(0xDB, steps(99), TURNED),
}


@pytest.mark.parametrize("name", FILES)
def test_size_orientation_quantization_and_pixels_are_those_of_the_decoder(name: str) -> None:
    data = FILES[name]
    header = read_header(data)
    assert (header.width, header.height) == (24, 16)
    assert exif_orientation(data) == 6
    assert jpeg_quantization(data) == pytest.approx(STEPS, abs=0.01)
    assert decoding_bytes(data, header, 1, 0) == 24 * 16 * (9 if name == "progressive" else 6.1) // 1
    assert np.array_equal(decode(data), np.rot90(decode(plain()), -1))


def test_a_scan_ends_what_is_read_of_orientation_and_quantization() -> None:
    data = before(0xD9, exif(6) + steps(99), plain())
    assert (exif_orientation(data), jpeg_quantization(data)) == (1, pytest.approx(STEPS, abs=0.01))
    assert np.array_equal(decode(data), decode(plain()))
    assert [marker for marker, _ in jpeg_segments(data)].count(SOS) == 1


def test_cut_short_a_file_is_refused_and_nothing_else_is_raised() -> None:
    for end in range(2, len(TURNED) - 2):
        cut = TURNED[:end]
        with pytest.raises(HeaderError, match="truncated|not an image"):
            read_header(cut)
        assert exif_orientation(cut) in (1, 6)
        assert jpeg_quantization(cut) in (None, jpeg_quantization(TURNED))


def test_other_formats_have_no_segments_whatever_they_hold() -> None:
    png = cv2.imencode(".png", PIXELS)[1].tobytes()
    assert (exif_orientation(png + TURNED), jpeg_quantization(png + TURNED)) == (1, None)
