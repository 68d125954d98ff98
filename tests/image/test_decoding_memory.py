"""What the header tells of the memory that decoding takes is what it takes, and more than allowed is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from costly_images import KINDS, costs
from encoded_images import encoded, noise, png_of_size
from PIL import Image as Pil  # noqa: TID251  # writes what is read here

from edgecnn.errors import ImageError
from edgecnn.image import decoding
from edgecnn.image.decoding_memory import decoding_bytes
from edgecnn.image.header import read_header
from edgecnn.preprocess import MAX_PIXELS, decode, decode_for

SIDE = 900
FIXED_MB = 5.0  # tables of decoders, and memory that is given back late
MAY_KEEP = "/proc/self/clear_refs"


def foretold(data: bytes, part: int = 1, enough: int = 0) -> int:
    return decoding_bytes(data, read_header(data), part, enough)


@pytest.mark.skipif(not Path(MAY_KEEP).exists(), reason="needs Linux, which tells the most memory since a moment")
def test_decoding_takes_the_memory_that_is_foretold(tmp_path: Path) -> None:
    """A whole table, since a process for each kind would take seconds."""
    paths = [tmp_path / f"{number}" for number in range(len(KINDS))]
    for path, make in zip(paths, KINDS.values(), strict=True):
        path.write_bytes(make(SIDE))
    wrong = []
    for name, path, cost in zip(KINDS, paths, costs(paths), strict=True):
        foretold_mb = foretold(path.read_bytes()) / 1e6
        if cost.said or not foretold_mb / 2 <= cost.memory_mb <= foretold_mb + FIXED_MB:
            wrong.append(f"{name}: {foretold_mb:.1f} MB foretold, {cost.memory_mb:.1f} MB taken {cost.said}")
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "mode", "options", "bytes_a_pixel"),
    [
        ("JPEG", "RGB", {}, 6),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 0}, 9),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 2}, 6),
        ("JPEG", "CMYK", {"progressive": True}, 11),
        ("JPEG", "L", {"progressive": True}, 6),
        ("PNG", "RGBA", {}, 6),
        ("AVIF", "RGB", {"speed": 10}, 22),
        ("AVIF", "RGBA", {"speed": 10}, 44),
        ("JPEG2000", "RGB", {}, 15.6),
        ("JPEG2000", "RGBA", {}, 19.6),
    ],
)
def test_bytes_a_pixel_of_each_kind(kind: str, mode: str, options: dict, bytes_a_pixel: float) -> None:
    data = encoded(Pil.new(mode, (80, 40)), kind, **options)
    assert foretold(data) == pytest.approx(bytes_a_pixel * 3200, rel=0.03)


def test_a_jpeg_of_one_scan_a_channel_keeps_its_coefficients_too() -> None:
    """Baseline files may have several scans; the decoder then holds all of them back until the last."""
    data = encoded(noise(16, 16), "JPEG", subsampling=0)
    at = data.index(b"\xff\xda")
    assert foretold(data[:at] + data[at:-2] + data[at:]) == 9 * 256


def test_of_a_jpeg_decoded_smaller_the_coefficients_are_whole_and_the_result_is_not() -> None:
    data = encoded(noise(64, 64), "JPEG", progressive=True, subsampling=0)
    assert foretold(data, part=8) == (6 + 3 / 64) * 64 * 64


def with_png_size(data: bytes, side: int) -> bytes:
    return data[:16] + struct.pack(">II", side, side) + data[24:]


def test_a_file_that_would_take_too_much_memory_is_refused_before_it_is_decoded_in_one_line() -> None:
    data = encoded(Pil.new("RGBA", (64, 64)), "PNG", save_all=True, append_images=[Pil.new("RGBA", (64, 64), "red")])
    with pytest.raises(ImageError) as caught:
        decode(with_png_size(data, 6000), "moving.png")
    assert str(caught.value) == (
        "moving.png: decoding 6000 x 6000 pixels of this PNG file takes 576 MB, which exceed the limit of 512 MB; "
        "make the image smaller, or raise --max-megapixels if you trust the file"
    )


def test_more_megapixels_allow_more_memory_and_few_still_allow_some(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Pil.new("RGB", (80, 40)), "AVIF", speed=10)
    monkeypatch.setattr(decoding, "_LEAST_BYTES", 0)
    assert decode(data, max_pixels=9000).shape == (40, 80, 3)
    with pytest.raises(ImageError, match="raise --max-megapixels"):
        decode(data, max_pixels=8000)
    monkeypatch.undo()
    assert decode(data, max_pixels=3200).shape == (40, 80, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM"])
def test_photographs_of_64_megapixels_are_within_the_memory(kind: str) -> None:
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}  # in strips; Pillow writes one without compression
    data = encoded(noise(300, 300), kind, **options)
    assert foretold(data) / 90_000 * MAX_PIXELS <= 8 * MAX_PIXELS


def test_sixteen_bits_are_decoded_once_where_eight_tell_that_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_check_depth", lambda *_: pytest.fail("decoded twice"))
    decode(KINDS["PNG RGBA of 16 bits"](40))
    decode(KINDS["TIFF RGBA of 16 bits"](40))


def test_a_dark_image_too_large_to_be_decoded_with_all_of_its_bits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    data = bytes(cv2.imencode(".png", np.full((16, 16, 3), 900, np.uint16))[1])
    with pytest.raises(ImageError, match=r"uses 10 \(largest value 900\)"):
        decode(data)
    monkeypatch.setattr(decoding, "_LEAST_BYTES", 0)
    with pytest.raises(ImageError, match="has 16 bits a channel and uses 12 or hardly more; multiply"):
        decode(data, max_pixels=256)


def test_an_image_of_few_pixels_needs_no_look_at_its_bytes() -> None:
    assert foretold(png_of_size(100, 80), enough=10**9) == 8000 * 32
    assert decode_for(png_of_size(100, 80), None).full_size == (80, 100)


# ---- animations of very many frames


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_ten_thousand_frames_the_first_is_answered_at_once(kind: str, tmp_path: Path) -> None:
    frames = [Pil.fromarray(noise(2, 2, seed=seed)) for seed in range(2)]
    options = {"GIF": {"optimize": False}, "PNG": {}, "WEBP": {"lossless": True, "method": 0}}[kind]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=40, **options)
    path = tmp_path / "moving"
    path.write_bytes(repeated(kind, data, 10_000))
    with Pil.open(path) as image:
        assert getattr(image, "n_frames", 0) >= 10_000
    (cost,) = costs([path])
    assert cost.said == ""
    assert cost.cpu_s < 2
    assert cost.memory_mb < 100
    assert np.array_equal(decode(path.read_bytes()), decode(data))


def repeated(kind: str, data: bytes, times: int) -> bytes:
    """The second frame so many times."""
    if kind == "GIF":
        start = data.rindex(b"\x21\xf9\x04")  # its graphic control extension
        return data[:start] + data[start:-1] * times + data[-1:]
    if kind == "WEBP":
        start = data.rindex(b"ANMF")
        body = data[12:start] + data[start:] * times
        return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    return repeated_png(data, times)


def repeated_png(data: bytes, times: int) -> bytes:
    """Its fcTL and fdAT chunks again, each with the next number in order."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    at = data.index(b"acTL") - 4
    head = data[:at] + chunk(b"acTL", struct.pack(">II", times + 1, 0)) + data[at + 20 :]
    start = head.rindex(b"fcTL") - 4
    control = head[start + 8 + 4 : start + 8 + 26]
    pixels_at = head.rindex(b"fdAT") - 4
    (length,) = struct.unpack_from(">I", head, pixels_at)
    pixels = head[pixels_at + 8 + 4 : pixels_at + 8 + length]
    frames = b"".join(
        chunk(b"fcTL", struct.pack(">I", 2 * i + 1) + control) + chunk(b"fdAT", struct.pack(">I", 2 * i + 2) + pixels)
        for i in range(times)
    )
    return head[:start] + frames + head[head.rindex(b"IEND") - 4 :]
