"""MJPEG parts: whole as soon as the JPEG's last byte is there, whatever a camera announces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn.runtime.sources.drivers.multipart import BadStreamError, Part, PartParser, boundary_of


def jpeg(seed: int = 0, side: int = 64) -> bytes:
    done, data = cv2.imencode(".jpg", shape_image("circle", seed, side))
    assert done
    return data.tobytes()


def with_thumbnail(image: bytes, thumbnail: bytes) -> bytes:
    """An APP1 segment with a JPEG in it, as cameras put one into EXIF."""
    content = b"Exif\0\0" + thumbnail
    return image[:2] + b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content + image[2:]


def part(
    content: bytes, *, boundary: bytes = b"frame", length: int | None = None, kind: bytes = b"image/jpeg"
) -> bytes:
    told = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"--" + boundary + b"\r\nContent-Type: " + kind + b"\r\n" + told + b"\r\n" + content + b"\r\n"


def parts(parser: PartParser, stream: bytes, step: int = 10**9) -> list[Part]:
    return [p for at in range(0, len(stream), step) for p in parser.feed(stream[at : at + step], float(at))]


@pytest.mark.parametrize("step", [1, 7, 1000, 10**9])
@pytest.mark.parametrize("lengths", [True, False])
def test_each_image_comes_whole_however_the_bytes_arrive(step: int, lengths: bool) -> None:
    images = [jpeg(seed) for seed in range(3)]
    stream = b"".join(part(i, length=len(i) if lengths else None) for i in images)
    assert [p.content for p in parts(PartParser(b"frame"), stream, step)] == images


@pytest.mark.parametrize("lengths", [True, False])
def test_an_image_is_given_when_its_last_byte_has_come_and_its_time_is_its_first_byte_s(lengths: bool) -> None:
    image = jpeg()
    stream = part(image, length=len(image) if lengths else None)
    head, body = stream.split(b"\r\n\r\n", 1)
    parser = PartParser(b"frame")
    assert list(parser.feed(head + b"\r\n\r\n", 1.0)) == []
    assert list(parser.feed(body[:100], 5.0)) == []
    assert list(parser.feed(body[100 : len(image) - 1], 6.0)) == []
    assert list(parser.feed(image[-1:], 7.0)) == [Part(image, 5.0)]


@pytest.mark.parametrize("step", [1, 10**9])
def test_a_thumbnail_within_an_image_does_not_end_it(step: int) -> None:
    image = with_thumbnail(jpeg(side=128), jpeg(side=32))
    assert [p.content for p in parts(PartParser(b"frame"), part(image) * 2, step)] == [image, image]


@pytest.mark.parametrize("announced", [b"", b"other", b"--frame", b"frame"])
def test_the_stream_s_own_boundary_is_believed(announced: bytes) -> None:
    images = [jpeg(0), jpeg(1)]
    stream = b"".join(map(part, images))
    assert [p.content for p in parts(PartParser(announced.lstrip(b"-")), stream, 50)] == images


def test_jpegs_with_nothing_between_are_frames() -> None:
    images = [jpeg(0), jpeg(1), jpeg(2)]
    assert [p.content for p in parts(PartParser(), b"".join(images), 99)] == images


def test_a_length_that_is_wrong_costs_no_frame() -> None:
    images = [jpeg(0), jpeg(1)]
    short = b"".join(part(i, length=len(i) - 40) for i in images)
    assert [p.content for p in parts(PartParser(b"frame"), short)] == images


def test_of_several_images_in_one_part_the_first_counts() -> None:
    image, preview = jpeg(0), jpeg(1, 32)
    both = image + preview
    found = parts(PartParser(b"frame"), part(both, length=len(both)) * 2, 30)
    assert [p.content for p in found] == [image, image]


def test_an_image_cut_short_is_given_as_it_is_and_the_next_is_whole() -> None:
    image = jpeg()
    for length in (None, len(image) - 200):
        found = parts(PartParser(b"frame"), part(image[:-200], length=length) + part(image), 64)
        assert len(found) == 2
        assert found[0].content.startswith(image[:-200])
        assert found[1].content == image


def test_other_images_end_at_the_boundary() -> None:
    done, png = cv2.imencode(".png", shape_image("circle", 0, 32))
    assert done
    stream = part(png.tobytes(), kind=b"image/png") * 2 + b"--frame\r\n"
    assert [p.content for p in parts(PartParser(b"frame"), stream, 17)] == [png.tobytes()] * 2


def test_the_closing_boundary_ends_it() -> None:
    parser = PartParser(b"frame")
    assert len(parts(parser, part(jpeg()) + b"--frame--\r\n" + part(jpeg()))) == 1
    assert parser.ended


def test_what_no_image_can_be_is_refused() -> None:
    with pytest.raises(BadStreamError, match="MiB"):
        parts(PartParser(b"frame"), part(b"", length=2**40))
    with pytest.raises(BadStreamError, match="header"):
        parts(PartParser(b"frame"), b"--frame\r\n" + b"X: y\r\n" * 20_000)
    endless = b"\xff\xd8\xff\xe0" + bytes(2**20)
    parser = PartParser(b"frame")
    with pytest.raises(BadStreamError, match="MiB"):
        parts(parser, endless + bytes(70 * 2**20), 2**20)


def test_noise_between_parts_is_passed_over_and_not_kept() -> None:
    parser = PartParser(b"frame")
    noise = np.random.default_rng(0).integers(0, 250, 200_000, np.uint8).tobytes()
    assert parts(parser, noise, 4096) == []
    assert len(parser._buffer) < 40_000
    assert [p.content for p in parts(parser, b"\r\n" + part(jpeg()))] == [jpeg()]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"frame"),
        ('multipart/x-mixed-replace;boundary="--my frame"', b"my frame"),
        ("multipart/x-mixed-replace", b""),
    ],
)
def test_the_announced_boundary(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


def test_a_boundary_in_pieces_that_python_cannot_put_in_order_is_none() -> None:
    assert boundary_of("multipart/x-mixed-replace; boundary*=a; boundary*5=b") == b""
