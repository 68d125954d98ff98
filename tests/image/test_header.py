"""Sizes read without decoding, and a decoder that nothing brings down."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image as Pil  # noqa: TID251  # writes what is read here

from edgecnn.errors import ImageError
from edgecnn.image.header import HeaderError, read_header
from edgecnn.preprocess import decode

WIDTH, HEIGHT = 30, 20
PIXELS = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    with io.BytesIO() as out:
        Pil.fromarray(PIXELS).convert(mode).save(out, kind, **options)
        return out.getvalue()


def bmp(height: int, pixels: np.ndarray) -> bytes:
    """A Windows BMP of 24 bits; a negative height says that rows come from the top."""
    rows = b"".join(row.tobytes() + bytes(-len(row.tobytes()) % 4) for row in pixels[..., ::-1])
    return (
        b"BM"
        + struct.pack("<IIIIiiHHIIiiII", 54 + len(rows), 0, 54, 40, WIDTH, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
        + rows
    )


def os2_bmp() -> bytes:
    rows = b"".join(row.tobytes() + bytes(-len(row.tobytes()) % 4) for row in PIXELS[::-1, :, ::-1])
    return b"BM" + struct.pack("<IIIIHHHH", 26 + len(rows), 0, 26, 12, WIDTH, HEIGHT, 1, 24) + rows


def tiff(order: str, *, big: bool, long8: bool = False, twice: bool = False) -> bytes:
    """An uncompressed TIFF, its directory first.

    `twice`: a second, smaller size after the first in the same directory.
    """
    value, count_code, kind = ("Q", "Q", 16 if long8 else 4) if big else ("I", "H", 4)
    sizes = [(256, kind, WIDTH), (257, kind, HEIGHT)]
    if twice:
        sizes = [(256, kind, WIDTH), (256, kind, 1), (257, kind, HEIGHT), (257, kind, 1)]
    entries = [
        *sizes,
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, kind, None),
        (277, 3, 1),
        (278, kind, HEIGHT),
        (279, kind, WIDTH * HEIGHT),
    ]
    head = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8)
    start = len(head) + 2
    directory_bytes = (
        struct.calcsize(f"={count_code}") + len(entries) * (20 if big else 12) + struct.calcsize(f"={value}")
    )
    out = (b"II" if order == "<" else b"MM") + head + struct.pack(f"{order}{count_code}", len(entries))
    for tag, code, number in entries:
        content = start + directory_bytes if number is None else number
        cell = struct.pack(f"{order}{ {3: 'H', 4: 'I', 16: 'Q'}[code] }", content)
        out += struct.pack(f"{order}HH{value}", tag, code, 1) + cell.ljust(8 if big else 4, b"\0")
    return out + bytes(8 if big else 4) + PIXELS[..., 0].tobytes()


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


FILES = {
    "JPEG baseline": encoded("JPEG"),
    "JPEG progressive": encoded("JPEG", progressive=True),
    "JPEG with a thumbnail": b"\xff\xd8"
    + jpeg_segment(0xE1, b"Exif\0\0" + encoded("JPEG")[:400] + b"\xff\xd9")
    + encoded("JPEG")[2:],
    "PNG": encoded("PNG"),
    "PNG palette": encoded("PNG", "P"),
    "WebP VP8": encoded("WEBP"),
    "WebP VP8L": encoded("WEBP", lossless=True),
    "WebP VP8X": encoded("WEBP", "RGBA", exif=Pil.Exif().tobytes()),
    "BMP": encoded("BMP"),
    "BMP palette": encoded("BMP", "P"),
    "BMP from the top": bmp(-HEIGHT, PIXELS),
    "BMP OS/2": os2_bmp(),
    "GIF": encoded("GIF"),
    "TIFF": encoded("TIFF"),
    "TIFF LZW": encoded("TIFF", compression="tiff_lzw"),
    "TIFF big-endian": tiff(">", big=False),
    "TIFF BigTIFF": tiff("<", big=True),
    "TIFF BigTIFF big-endian": tiff(">", big=True),
    "TIFF BigTIFF LONG8": tiff("<", big=True, long8=True),
    "TIFF BigTIFF by Pillow": encoded("TIFF", big_tiff=True),
    "AVIF": encoded("AVIF"),
    "JPEG 2000 in boxes": encoded("JPEG2000"),
    "JPEG 2000 codestream": encoded("JPEG2000", no_jp2=True),
    "PNM colour": encoded("PPM"),
    "PNM grey": encoded("PPM", "L"),
    "PNM bits": encoded("PPM", "1"),
    "PNM in text with comments": b"P2 # grey\n# made by hand\n30 # wide\n\n20\n255\n"
    + b" ".join(b"%d" % v for v in PIXELS[..., 0].flat)
    + b"\n",
}


@pytest.mark.parametrize("name", FILES)
def test_the_header_tells_the_format_and_the_size_that_is_decoded(name: str) -> None:
    header = read_header(FILES[name])
    assert name.startswith(header.format)
    assert (header.width, header.height) == (WIDTH, HEIGHT)
    assert decode(FILES[name]).shape == (HEIGHT, WIDTH, 3)


def test_vp8_vp8l_and_vp8x_are_what_the_files_here_hold() -> None:
    assert [FILES[f"WebP {kind}"][12:16] for kind in ("VP8", "VP8L", "VP8X")] == [b"VP8 ", b"VP8L", b"VP8X"]


def test_big_endian_bigtiff_may_state_its_size_in_eight_bytes() -> None:
    header = read_header(tiff(">", big=True, long8=True))
    assert (header.width, header.height) == (WIDTH, HEIGHT)


def test_rows_from_the_top_and_from_the_bottom_are_the_same_image() -> None:
    assert np.array_equal(decode(bmp(-HEIGHT, PIXELS)), PIXELS)
    assert np.array_equal(decode(bmp(HEIGHT, PIXELS[::-1])), PIXELS)
    assert np.array_equal(decode(os2_bmp()), PIXELS)


def test_the_exif_orientation_does_not_change_the_size_in_the_header() -> None:
    exif = Pil.Exif()
    exif[0x0112] = 6
    data = encoded("JPEG", exif=exif)
    assert (read_header(data).width, read_header(data).height) == (WIDTH, HEIGHT)
    assert decode(data).shape == (WIDTH, HEIGHT, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b"%PDF-1.7\n", "a PDF file, a format that is not read"),
        (b"\0\0\0\x20ftypavif", "AVIF.*truncated"),
        (b"\0\0\0\x0cftypavif", "AVIF.*header ends too early"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", "not an image"),
        (b"\xff\xd8\xff\xd9", "JPEG"),
        (b"\x89PNG\r\n\x1a\n", "PNG.*truncated"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\0IEND\0\0\0\1\0\0\0\1", "PNG.*header ends too early"),  # before its depth
        (b"\xff\x4f\xff\x51\0\0\0\0\0\0\0\4\0\0\0\4" + bytes(8), "JPEG 2000.*header ends too early"),
        (b"RIFF\x04\0\0\0WEBPVP8X", "WebP.*header ends too early"),
        (b"GIF89a" + bytes(7) + b";", "GIF"),
        (b"P5\nwide high\n255\n", "PNM.*header"),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", "TIFF"),
        (b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 0, 5, 1, 24, 0, 0, 0, 0, 0, 0), "BMP.*0 x 5"),
        (b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, -5, 5, 1, 24, 0, 0, 0, 0, 0, 0), "BMP.*-5 x 5"),
    ],
)
def test_a_header_that_is_none_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        read_header(content)


# ---- hostile files


def test_a_jpeg_that_ends_within_its_size_is_refused_however_large_that_is() -> None:
    """Above 46 megapixels, the channels behind the size tell how much memory it takes."""
    with pytest.raises(ImageError, match="JPEG file is corrupt"):
        decode(b"\xff\xd8\xff\xc0\x00\x02\xff\xd9\x00\x03\xe8")


@pytest.mark.parametrize("start", [2**32, 2**63 - 100, 2**63, 2**64 - 1])
def test_a_directory_past_the_end_of_the_world_is_refused(start: int) -> None:
    with pytest.raises(ImageError, match="TIFF"):
        decode(struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) + bytes(40))


def test_a_second_size_after_the_scan_of_a_jpeg_does_not_hide_the_first() -> None:
    """The decoder takes the first; the limit must hold for what it takes."""
    data = FILES["JPEG baseline"]
    start_of_frame = struct.pack(">BHHB", 8, 1, 1, 3) + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    with pytest.raises(ImageError):
        decode(data[:-2] + jpeg_segment(0xC0, start_of_frame) + data[-2:], max_pixels=100)


def test_a_second_size_in_a_tiff_directory_does_not_hide_the_first() -> None:
    with pytest.raises(ImageError):
        decode(tiff("<", big=False, twice=True), max_pixels=100)


def test_a_gif_frame_larger_than_its_screen_does_not_pass_the_limit() -> None:
    data = bytearray(FILES["GIF"])
    data[6:10] = struct.pack("<HH", 5, 5)
    try:
        found = decode(bytes(data), max_pixels=100)
    except ImageError:
        return
    assert found.shape[0] * found.shape[1] <= 100


def test_a_webp_canvas_smaller_than_its_frame_does_not_pass_the_limit() -> None:
    data = bytearray(FILES["WebP VP8X"])
    data[24:30] = bytes([4, 0, 0, 4, 0, 0])
    with pytest.raises(ImageError):
        decode(bytes(data), max_pixels=100)


def mutated(data: bytes, random: np.random.Generator) -> bytes:
    """One to four damages: a bit, a byte, a number of the header, a piece cut out, doubled or moved in from elsewhere, an end cut off."""
    out = bytearray(data)
    for _ in range(int(random.integers(1, 5))):
        at = int(random.integers(0, max(1, len(out) if random.random() < 0.5 else min(len(out), 64))))
        length = int(random.integers(1, 40))
        match int(random.integers(0, 7)):
            case 0:
                out[at : at + 1] = bytes([out[at] ^ 1 << int(random.integers(0, 8))]) if out else b""
            case 1:
                out[at : at + 1] = random.bytes(1)
            case 2:
                extreme = int(
                    random.choice([0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
                )
                out[at : at + 4] = struct.pack(str(random.choice(["<I", ">I"])), extreme)
            case 3:
                del out[at : at + length]
            case 4:
                out[at:at] = out[at : at + length]
            case 5:
                out[at:at] = random.bytes(length)
            case _:
                del out[int(random.integers(1, max(2, len(out)))) :]
    return bytes(out)


def decoded_or_refused(data: bytes) -> np.ndarray | ImageError:
    try:
        return decode(data, max_pixels=100_000)
    except ImageError as error:
        return error
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}; the file: {data.hex()}") from error


@pytest.mark.parametrize(
    "kind",
    ["JPEG", "PNG", "WebP", "BMP", "GIF", "PNM", "TIFF", "AVIF"],
)
def test_of_thousands_of_damaged_files_each_is_an_image_within_the_limit_or_an_image_error(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(2024)
    files = [data for name, data in FILES.items() if name.startswith(kind)]
    refused = 0
    for number in range(290):  # 2,320 in all formats
        data = mutated(files[number % len(files)], random)
        found = decoded_or_refused(data)
        if isinstance(found, ImageError):
            refused += 1
            assert "\n" not in str(found)
            continue
        assert found.dtype == np.uint8
        assert found.ndim == 3
        assert found.shape[2] == 3
        assert found.shape[0] * found.shape[1] <= 100_000, f"damage {number}: {found.shape}; the file: {data.hex()}"
    assert refused > 20  # no harmless damages; a PNG's sums of its chunks let none pass
    assert capfd.readouterr().out == ""  # decoders complain on standard error alone
