"""What is read of a file in Python takes a bounded number of steps, however many parts the file states or has."""

from __future__ import annotations

import struct
import time

import pytest

from edgecnn.image import header
from edgecnn.image.formats.avif_frame_size import coded_pixels, largest_frame
from edgecnn.image.formats.tiff_tags import read_tiff_tags
from edgecnn.image.header import HeaderError, read_header

MOST_CPU_S = 1.0
TRACK = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
SEQUENCE = b"\x0a\x04\x18\x0c\xff\xc0"  # an OBU: the header of a still image of 16 x 16 pixels


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def avif(*more_in_meta: bytes, behind: bytes = b"") -> bytes:
    """An AVIF file of 8 x 8 pixels without any frame, and more boxes."""
    size = box(b"ipco", box(b"ispe", bytes(4) + struct.pack(">II", 8, 8)))
    used = box(b"ipma", bytes(4) + struct.pack(">IHBB", 1, 1, 1, 1))
    meta = box(b"pitm", bytes(4) + b"\0\1") + box(b"iprp", size + used) + b"".join(more_in_meta)
    return box(b"ftyp", b"avif\0\0\0\0avif") + box(b"meta", bytes(4) + meta) + behind


def places(items: int, extents: int, version: int = 0) -> bytes:
    """Where the items of an AVIF file are: so many parts of each, of which none has an offset or a length."""
    head, each = (">HHH", ()) if version == 0 else (">HHHH", (1,))  # 1: in another box than the file
    listed = (struct.pack(head, item, *each, 0, extents) for item in range(items))
    return box(b"iloc", bytes((version, 0, 0, 0, 0, 0)) + struct.pack(">H", items) + b"".join(listed))


def in_track(*boxes: bytes) -> bytes:
    content = b"".join(boxes)
    for kind in reversed(TRACK):
        content = box(kind, content)
    return content


def first_sample(at: int) -> bytes:
    return box(b"stco", bytes(4) + struct.pack(">II", 1, at))


ITEMS = box(
    b"iinf",
    bytes(4) + struct.pack(">H", 50) + b"".join(box(b"infe", struct.pack(">IHH", 2 << 24, i, 0) + b"av01") for i in range(50)),
)  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [avif(places(50, 65535)), avif(ITEMS, places(50, 65535, version=1))],
    ids=["of no image", "of images"],
)
def test_a_small_avif_cannot_ask_for_millions_of_places(data: bytes) -> None:
    begun_s = time.process_time()
    with pytest.raises(HeaderError, match="AVIF"):
        read_header(data)
    assert time.process_time() - begun_s < MOST_CPU_S


def test_tracks_that_all_begin_at_the_same_place_are_not_copied() -> None:
    samples = [first_sample(8) for _ in range(9000)]
    data = avif(behind=in_track(*samples) + bytes(8_000_000))
    begun_s = time.process_time()
    assert read_header(data).width == 8
    assert time.process_time() - begun_s < MOST_CPU_S


def test_boxes_in_boxes_without_end_are_followed_as_deep_as_a_track_goes() -> None:
    nested = b""
    for _ in range(2000):
        nested = box(b"moov", nested)
    assert read_header(avif(behind=nested)).width == 8


def test_a_box_within_a_track_that_ends_after_the_file_is_refused() -> None:
    longer = struct.pack(">I4s", 1000, b"meta")
    with pytest.raises(HeaderError, match="AVIF file is truncated: a box ends after the file"):
        read_header(avif(behind=in_track(longer)))


def test_the_frame_of_a_track_counts() -> None:
    data = avif(behind=in_track(first_sample(0)))
    at = len(data)
    data = avif(behind=in_track(first_sample(at))) + SEQUENCE
    assert largest_frame(data) == coded_pixels(data) == 256


def test_a_number_longer_than_the_decoders_read_hides_no_frame() -> None:
    """They stop after 32 zeros; who goes on to the first one reads another size than they do."""
    bits = "0" * 5 + "1" + "0" * 64 + "1" + "0" * 40 + "1" + "0" * 90
    header_of_zeros = int(bits.ljust(208, "0"), 2).to_bytes(26, "big")
    data = avif(behind=in_track(first_sample(0)))
    data = avif(behind=in_track(first_sample(len(data)))) + b"\x0a\x1a" + header_of_zeros
    with pytest.raises(HeaderError, match="AVIF"):
        read_header(data)


def test_blocks_of_a_gif_and_boxes_of_a_jpeg_2000_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header, "_MOST_BLOCKS", 100)
    monkeypatch.setattr(header, "_MOST_BOXES", 10)
    gif = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2\1\0\0"
    assert read_header(gif + b"\x21\xf9\0" * 99 + frame).width == 4
    for many in (b"\x21\xf9\0" * 101, b"\x21\xf9" + b"\1\0" * 101 + b"\0"):
        with pytest.raises(HeaderError, match="more blocks than any encoder writes"):
            read_header(gif + many + frame)
    begin = b"\0\0\0\x0cjP  \r\n\x87\n"
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HHIIIIIIII", 41, 0, 4, 4, 0, 0, 4, 4, 0, 0) + b"\0\1\7\1\1"
    assert read_header(begin + box(b"free", b"") * 5 + box(b"jp2c", stream)).width == 4
    with pytest.raises(HeaderError, match="contains no codestream"):
        read_header(begin + box(b"free", b"") * 10 + box(b"jp2c", stream))


def test_a_directory_of_a_bigtiff_is_read_as_far_as_the_decoder_would() -> None:
    size = struct.pack("<HHQQ", 256, 4, 1, 9)
    head = b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 1 << 40)
    assert read_tiff_tags(head + bytes(20 * 65_534) + size) == {256: 9}
    assert read_tiff_tags(head + bytes(20 * 65_535) + size) == {}
