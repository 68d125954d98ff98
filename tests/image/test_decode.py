"""What becomes of every kind of image file, and which are refused."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded_images import LOSSLESS, blocks, encoded, noise, opened, png_of_size
from PIL import Image as Pil  # noqa: TID251  # the oracle, where no loss is at stake
from PIL import ImageOps  # noqa: TID251

from edgecnn.errors import ImageError, InputNotFoundError
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import MAX_PIXELS, decode, preprocess, read_image

# ---- the table of unusual images


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    ],
    ids=["jpeg", "png", "webp", "avif"],
)
def test_exif_orientation_is_applied_as_pillow_applies_it(kind: str, options: dict, orientation: int) -> None:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    data = encoded(blocks(), kind, exif=exif, **options)
    with Pil.open(io.BytesIO(data)) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    found = decode(data)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (3 if kind in ("JPEG", "AVIF") else 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG", "AVIF", "JPEG2000"])
def test_grey_stands_in_all_three_channels(kind: str) -> None:
    grey = blocks()[..., 0]
    found = decode(encoded(grey, kind, **({"quality": 100} if kind in ("JPEG", "AVIF") else {})))
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.abs(found[..., 0].astype(int) - grey).max() <= (1 if kind in ("JPEG", "AVIF") else 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "GIF", "BMP"])
def test_black_and_white_stays_black_and_white(kind: str) -> None:
    bits = noise(20, 29, 1)[..., 0] > 127
    found = decode(encoded(Pil.fromarray(bits), kind))
    assert np.array_equal(found, np.repeat(bits[..., None] * np.uint8(255), 3, 2))


@pytest.mark.parametrize(
    ("kind", "alpha"),
    [*((k, a) for k in ("PNG", "WEBP", "BMP") for a in (0, 128, 255, None)), ("TIFF", 255)],
)
def test_alpha_is_left_out_and_the_stored_colours_stay(kind: str, alpha: int | None) -> None:
    image = noise(20, 30, 4)
    if alpha is not None:
        image[..., 3] = alpha
    assert np.array_equal(decode(encoded(image, kind, **LOSSLESS[kind])), image[..., :3])


def test_a_tiffs_colours_are_multiplied_by_its_alpha() -> None:
    image = noise(20, 30, 4)
    image[..., 3] = 0
    assert not decode(encoded(image, "TIFF", **LOSSLESS["TIFF"])).any()


def test_sixteen_bits_of_colour_in_a_tiff_are_rounded() -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    written, data = cv2.imencode(".tiff", deep)
    assert written
    assert np.abs(decode(data.tobytes()).astype(int) - np.round(deep[..., ::-1] / 257)).max() <= 1


def test_grey_with_alpha_keeps_its_grey() -> None:
    image = noise(20, 30, 2)
    assert np.array_equal(decode(encoded(Pil.fromarray(image, "LA"), "PNG")), image[..., :1].repeat(3, 2))


@pytest.mark.parametrize(
    ("suffix", "channels"),
    [(".png", 1), (".png", 3), (".png", 4), (".pgm", 1), (".ppm", 3), (".tiff", 1)],
)
def test_of_sixteen_bits_the_upper_eight_are_taken(suffix: str, channels: int) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, channels)).astype(np.uint16)
    written, data = cv2.imencode(suffix, deep)  # BGR(A); Pillow writes no 16-bit colour
    assert written
    expected = (deep[..., 2::-1] if channels > 1 else deep.repeat(3, 2)) >> 8
    assert np.array_equal(decode(data.tobytes()), expected)


@pytest.mark.parametrize("largest", [1, 15, 127, 200, 255, 1023, 4095, 65535])
@pytest.mark.parametrize("kind", ["binary grey", "binary colour", "text grey", "text colour"])
def test_a_pnm_file_is_as_bright_as_the_largest_value_in_its_header_says(kind: str, largest: int) -> None:
    # OpenCV 5.0.0.93 takes the bytes as they are; the format says which value is white (netpbm, pgm(5) and ppm(5))
    channels = 1 if kind.endswith("grey") else 3
    levels = np.random.default_rng(2).integers(0, largest + 1, (20, 30, channels))
    levels.flat[:2] = 0, largest
    stored = levels.astype(">u2" if largest > 255 else np.uint8).tobytes()
    text = b" ".join(b"%d" % level for level in levels.ravel()) + b"\n"
    letter = {"binary grey": 5, "binary colour": 6, "text grey": 2, "text colour": 3}[kind]
    data = b"P%d\n# by a camera\n30 20\n%d\n" % (letter, largest) + (text if kind.startswith("text") else stored)
    expected = np.broadcast_to(levels, (20, 30, 3)) * 255 / largest
    found = decode(data)
    assert np.abs(found - expected).max() <= 1
    assert (found.min(), found.max()) == (0, 255)
    assert np.array_equal(decode(data, color="bgr"), found[..., ::-1])


@pytest.mark.parametrize("sampling", ["4:0:0", "4:2:0"])
@pytest.mark.parametrize("levels", ["full", "limited"])
def test_black_and_white_of_an_avif_are_0_and_255_whatever_its_range(sampling: str, levels: str) -> None:
    # OpenCV 5.0.0.93 leaves grey alone at 16 to 235 where the file states the limited range; Pillow 13 does not
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8)[None, :, None], (64, 1, 3))
    data = encoded(Pil.fromarray(ramp), "AVIF", quality=100, subsampling=sampling, range=levels)
    found = decode(data)
    assert (found.min(), found.max()) == (0, 255)
    assert np.abs(found.astype(int) - ramp).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("colors", [2, 16, 200])
def test_a_palette_gives_its_colours(kind: str, colors: int) -> None:
    data = encoded(Pil.fromarray(noise(20, 30)).quantize(colors), kind)
    assert np.array_equal(decode(data), opened(data))


def test_a_palette_with_transparency_keeps_its_colours() -> None:
    image = Pil.fromarray(noise(20, 30)).quantize(16)
    expected = np.array(image.convert("RGB"))
    assert np.array_equal(decode(encoded(image, "PNG", transparency=0)), expected)


@pytest.mark.parametrize(
    ("ink", "color"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((255, 0, 0, 0), (0, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((0, 0, 0, 128), (127, 127, 127)),
    ],
    ids=["paper", "key", "cyan", "magenta+yellow", "half key"],
)
def test_cmyk_becomes_the_colour_its_inks_print(ink: tuple[int, ...], color: tuple[int, ...]) -> None:
    data = encoded(Pil.new("CMYK", (32, 32), ink), "JPEG", quality=100)
    assert np.abs(decode(data).astype(int) - color).max() <= 4


@pytest.mark.parametrize(
    ("kind", "options"),
    [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})],
    ids=["gif", "webp", "apng", "tiff"],
)
def test_of_an_animation_the_first_frame_is_taken(kind: str, options: dict) -> None:
    frames = [Pil.new("RGB", (30, 20), color) for color in ("red", "lime", "blue")]
    found = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert found.shape == (20, 30, 3)
    assert (found == (255, 0, 0)).all()


# ---- refused


WHOLE = {
    "jpeg baseline": ("JPEG", {"quality": 90}),
    "jpeg progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "jpeg with exif": ("JPEG", {"exif": b"Exif\0\0" + Pil.Exif().tobytes()}),
    "png": ("PNG", {}),
    "png interlaced": ("PNG", {"interlace": 1}),
    "webp lossy": ("WEBP", {}),
    "webp lossless": ("WEBP", {"lossless": True}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "tiff deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "ppm": ("PPM", {}),
    "avif": ("AVIF", {}),
    "jpeg 2000": ("JPEG2000", {}),
}


def without_trailer(kind: str, data: bytes) -> int:
    """The length below which image data is missing.

    A GIF's last two bytes are an end of blocks and a trailer that holds nothing.
    """
    return len(data) - 1 if kind == "GIF" else len(data)


def refused(data: bytes) -> bool:
    try:
        decode(data)
    except ImageError:
        return True
    return False


@pytest.mark.parametrize("name", WHOLE)
def test_an_image_cut_short_is_refused_wherever_it_is_cut(name: str) -> None:
    kind, options = WHOLE[name]
    data = encoded(noise(60, 80), kind, **options)
    assert decode(data).shape == (60, 80, 3)
    end = without_trailer(kind, data)
    cuts = sorted(
        {1, 2, 3, 8, 12, 20, 30, *np.linspace(1, end - 1, 40).astype(int), end - 4, end - 3, end - 2, end - 1}
    )
    taken = [cut for cut in cuts if not refused(data[:cut])]
    assert not taken, f"of {len(data)} bytes these were enough: {taken}"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_cut_inside_its_first_frame_is_refused(kind: str) -> None:
    frames = [Pil.fromarray(noise(60, 80, seed=i)) for i in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    for cut in range(20, len(data) // 4, len(data) // 40):
        with pytest.raises(ImageError):
            decode(data[:cut])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_an_image_whose_second_half_is_zeros_is_refused(kind: str) -> None:
    """As a memory card leaves it that lost power while the file was written; a lossy WebP has nothing that tells."""
    data = encoded(noise(60, 80), kind)
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def test_what_follows_the_end_of_an_image_does_no_harm() -> None:
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP", "AVIF", "JPEG2000"):
        data = encoded(noise(20, 30), kind)
        assert np.array_equal(decode(data + b"\0trailing \xff\xd8\xff bytes"), decode(data)), kind


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xd8\xff", b"not an image at all, only text\n" * 9, bytes(1000)],
    ids=["empty", "magic", "text", "zeros"],
)
def test_what_is_no_image_is_refused_by_name_whatever_its_suffix(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims to be.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "JPEG XL"),
        (b"\xff\x0a" + bytes(99), "JPEG XL"),
        (encoded(noise(8, 9), "TGA") + bytes(8) + b"TRUEVISION-XFILE.\0", "TGA"),
        (b"8BPS" + bytes(99), "Photoshop (PSD)"),
        (b'<?xml version="1.0"?>\n<svg width="9">', "SVG"),
    ],
)
def test_a_known_format_that_is_not_read_is_named_with_a_remedy(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / "phone.jpg"  # as a phone or a web page may call it
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value) == f"{path}: a {name} file, a format that is not read; convert it to JPEG or PNG"


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000"])
def test_a_file_that_this_opencv_cannot_decode_may_be_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    with pytest.raises(ImageError, match="or this OpenCV was built without .*; convert it to PNG"):
        decode(encoded(noise(8, 9), kind))


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        (
            np.linspace(0, 1, 72, dtype=np.float32),
            "holds float32 numbers, of which black and white are not known; .* 16 bits",
        ),
        (
            np.arange(72, dtype=np.int32),
            "holds int32 numbers, of which black and white are not known; convert it to 8 or 16",
        ),
        (
            np.arange(72, dtype=np.uint16) * 50,
            r"uses 12 \(largest value 3550\); .* multiply its values by 16 .* or convert",
        ),
    ],
)
def test_levels_that_eight_bits_cannot_show_are_refused_with_a_remedy(levels: np.ndarray, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        decode(encoded(Pil.fromarray(levels.reshape(8, 9)), "TIFF"), name="a.tif")
    assert "\n" not in str(caught.value)


def test_a_tiff_of_twelve_bits_packed_says_what_opencv_does_not_read() -> None:
    data = bytearray(encoded(noise(8, 9)[..., 0], "TIFF"))
    entry = data.index(b"\x02\x01\x03\0\x01\0\0\0")  # BitsPerSample
    data[entry + 8] = 12
    with pytest.raises(
        ImageError, match=r"OpenCV does not read its kind \(10, 12 or 14 bits.*; convert it to PNG with 8"
    ):
        decode(bytes(data))


def test_a_suffix_tells_nothing_the_content_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "a png.jpg"
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    assert np.array_equal(read_image(path), noise(20, 30))


def test_what_is_not_there_is_told_apart_from_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="nowhere"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="not a regular file"):
        read_image(tmp_path)
    with pytest.raises(ImageError):
        read_image("a\0b.png")


# ---- the limit on pixels


def test_an_image_over_the_limit_is_refused_before_it_is_decoded() -> None:
    """In a process of its own: the peak of memory is a process's, and decoding this takes 2.7 GB and seconds."""
    data = png_of_size(30_000, 30_000)
    assert len(data) < 2_000_000
    script = """
import resource, sys, time
from edgecnn.errors import ImageError
from edgecnn.preprocess import decode
data = sys.stdin.buffer.read()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    decode(data)
except ImageError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.process_time() - start, error)
"""
    found = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    kib, seconds, message = found.stdout.decode().split(maxsplit=2)
    assert int(kib) < 20_000
    assert float(seconds) < 0.5
    assert "30000 x 30000" in message
    assert "64 megapixels" in message


def test_the_limit_itself_is_allowed_and_one_row_more_is_not() -> None:
    assert decode(png_of_size(100, 80), max_pixels=8000).shape == (80, 100, 3)
    with pytest.raises(ImageError, match="100 x 81"):
        decode(png_of_size(100, 81), max_pixels=8000)
    assert MAX_PIXELS == 64_000_000


def test_max_pixels_holds_for_files_and_bytes_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    for source in (path, path.read_bytes()):
        assert preprocess(source, InputSpec(8, 8), PreprocessSpec(), max_pixels=600).shape == (8, 8, 3)
        with pytest.raises(ImageError, match="limit"):
            preprocess(source, InputSpec(8, 8), PreprocessSpec(), max_pixels=599)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_the_limit_holds_in_every_format(kind: str) -> None:
    with pytest.raises(ImageError, match="30 x 20 pixels exceed the limit"):
        decode(encoded(noise(20, 30), kind), max_pixels=599)
