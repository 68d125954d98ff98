"""What becomes of every kind of picture, and which are refused."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pil  # noqa: TID251  # the oracle, where no loss is at stake
from PIL import ImageOps  # noqa: TID251

from edgecnn.errors import InputNotFoundError, PictureError
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import MAX_PIXELS, check_image, decode, fit, preprocess, read_picture

PLAIN = PreprocessSpec()
LOSSLESS = {"PNG": {}, "WEBP": {"lossless": True, "exact": True}, "BMP": {}, "TIFF": {}, "PPM": {}}


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels)).astype(np.uint8)


def blocks(height: int = 32, width: int = 48) -> np.ndarray:
    """Six flat colours in 16 x 16 blocks: what a JPEG keeps, and no turn or mirroring maps onto itself."""
    colors = noise(height // 16, width // 16, seed=3)
    return colors.repeat(16, 0).repeat(16, 1)


def encoded(picture: np.ndarray | Pil.Image, kind: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Pil.Image) else Pil.fromarray(picture)
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
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


# ---- the table of unusual pictures


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {"quality": 100, "subsampling": 0}), ("PNG", {}), ("WEBP", {"lossless": True})], ids=["jpeg", "png", "webp"]
)
def test_exif_orientation_is_applied_as_pillow_applies_it(kind: str, options: dict, orientation: int) -> None:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    data = encoded(blocks(), kind, exif=exif, **options)
    with Pil.open(io.BytesIO(data)) as image:
        expected = np.array(ImageOps.exif_transpose(image).convert("RGB"))
    found = decode(data)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "GIF", "JPEG"])
def test_grey_stands_in_all_three_channels(kind: str) -> None:
    grey = blocks()[..., 0]
    found = decode(encoded(grey, kind, **({"quality": 100} if kind == "JPEG" else {})))
    assert np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(found[..., 0], found[..., 2])
    assert np.abs(found[..., 0].astype(int) - grey).max() <= (1 if kind == "JPEG" else 0)


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
    picture = noise(20, 30, 4)
    if alpha is not None:
        picture[..., 3] = alpha
    assert np.array_equal(decode(encoded(picture, kind, **LOSSLESS[kind])), picture[..., :3])


def test_a_tiffs_colours_are_multiplied_by_its_alpha() -> None:
    picture = noise(20, 30, 4)
    picture[..., 3] = 0
    assert not decode(encoded(picture, "TIFF", **LOSSLESS["TIFF"])).any()


def test_sixteen_bits_of_colour_in_a_tiff_are_rounded() -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    written, data = cv2.imencode(".tiff", deep)
    assert written
    assert np.abs(decode(data.tobytes()).astype(int) - np.round(deep[..., ::-1] / 257)).max() <= 1


def test_grey_with_alpha_keeps_its_grey() -> None:
    picture = noise(20, 30, 2)
    assert np.array_equal(decode(encoded(Pil.fromarray(picture, "LA"), "PNG")), picture[..., :1].repeat(3, 2))


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
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {}), ("TIFF", {})], ids=["gif", "webp", "apng", "tiff"]
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
}


def without_trailer(kind: str, data: bytes) -> int:
    """The length below which picture data is missing: a GIF's last two bytes are an end of blocks and a trailer that holds nothing."""
    return len(data) - 1 if kind == "GIF" else len(data)


def refused(data: bytes) -> bool:
    try:
        decode(data)
    except PictureError:
        return True
    return False


@pytest.mark.parametrize("name", WHOLE)
def test_a_picture_cut_short_is_refused_wherever_it_is_cut(name: str) -> None:
    kind, options = WHOLE[name]
    data = encoded(noise(60, 80), kind, **options)
    assert decode(data).shape == (60, 80, 3)
    end = without_trailer(kind, data)
    cuts = sorted({1, 2, 3, 8, 12, 20, 30, *np.linspace(1, end - 1, 40).astype(int), end - 4, end - 3, end - 2, end - 1})
    taken = [cut for cut in cuts if not refused(data[:cut])]
    assert not taken, f"of {len(data)} bytes these were enough: {taken}"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_cut_inside_its_first_frame_is_refused(kind: str) -> None:
    frames = [Pil.fromarray(noise(60, 80, seed=i)) for i in range(3)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    for cut in range(20, len(data) // 4, len(data) // 40):
        with pytest.raises(PictureError):
            decode(data[:cut])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_a_picture_whose_second_half_is_zeros_is_refused(kind: str) -> None:
    """As a memory card leaves it that lost power while the file was written; a lossy WebP has nothing that tells."""
    data = encoded(noise(60, 80), kind)
    with pytest.raises(PictureError):
        decode(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))


def test_what_follows_the_end_of_a_picture_does_no_harm() -> None:
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "PPM", "WEBP"):
        data = encoded(noise(20, 30), kind)
        assert np.array_equal(decode(data + b"\0trailing \xff\xd8\xff bytes"), decode(data)), kind


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8\xff", b"not a picture at all, only text\n" * 9, bytes(1000)], ids=["empty", "magic", "text", "zeros"]
)
def test_what_is_no_picture_is_refused_by_name_whatever_its_suffix(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "claims to be.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureError) as caught:
        read_picture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suffix_tells_nothing_the_content_tells_all(tmp_path: Path) -> None:
    path = tmp_path / "a png.jpg"
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    assert np.array_equal(read_picture(path), noise(20, 30))


def test_what_is_not_there_is_told_apart_from_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="nowhere"):
        read_picture(tmp_path / "nowhere.png")
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(tmp_path)
    with pytest.raises(PictureError):
        read_picture("a\0b.png")


# ---- the limit on pixels


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded() -> None:
    """In a process of its own: the peak of memory is a process's, and decoding this takes 2.7 GB and seconds."""
    data = png_of_size(30_000, 30_000)
    assert len(data) < 2_000_000
    script = """
import resource, sys, time
from edgecnn.errors import PictureError
from edgecnn.preprocess import decode
data = sys.stdin.buffer.read()
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    decode(data)
except PictureError as error:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.perf_counter() - start, error)
"""
    found = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True, check=True)
    kib, seconds, message = found.stdout.decode().split(maxsplit=2)
    assert int(kib) < 20_000
    assert float(seconds) < 0.5
    assert "30000 x 30000" in message
    assert "64 megapixels" in message


def test_the_limit_itself_is_allowed_and_one_row_more_is_not() -> None:
    assert decode(png_of_size(100, 80), max_pixels=8000).shape == (80, 100, 3)
    with pytest.raises(PictureError, match="100 x 81"):
        decode(png_of_size(100, 81), max_pixels=8000)
    assert MAX_PIXELS == 64_000_000


def test_max_pixels_holds_for_files_and_bytes_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    for source in (path, path.read_bytes()):
        assert preprocess(source, InputSpec(8, 8), PLAIN, max_pixels=600).shape == (8, 8, 3)
        with pytest.raises(PictureError, match="limit"):
            preprocess(source, InputSpec(8, 8), PLAIN, max_pixels=599)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_the_limit_holds_in_every_format(kind: str) -> None:
    with pytest.raises(PictureError, match="30 x 20 pixels are more"):
        decode(encoded(noise(20, 30), kind), max_pixels=599)


# ---- geometry


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (64, 48), (63, 200), (480, 641)])
@pytest.mark.parametrize("size", [InputSpec(64, 48), InputSpec(33, 77)], ids=["64x48", "33x77"])
def test_any_picture_gets_exactly_the_size_asked_for(resize: str, shape: tuple[int, int], size: InputSpec) -> None:
    for interpolation in ("area", "linear", "cubic", "nearest"):
        for fraction in (1.0, 0.875, 0.3):
            fitted = fit(noise(*shape), size, PreprocessSpec(resize, interpolation, fraction))
            assert fitted.shape == (size.height, size.width, 3)
            assert fitted.dtype == np.uint8
            assert fitted.flags.c_contiguous


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("interpolation", ["area", "linear", "cubic", "nearest"])
def test_a_picture_of_the_right_size_is_left_as_it_is(resize: str, interpolation: str) -> None:
    picture = noise(64, 48)
    assert np.array_equal(fit(picture, InputSpec(64, 48), PreprocessSpec(resize, interpolation)), picture)


@pytest.mark.parametrize("interpolation", ["area", "linear", "cubic", "nearest"])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_a_flat_picture_stays_flat(resize: str, interpolation: str) -> None:
    for shape in ((10, 10), (300, 200), (1, 500)):
        assert (fit(np.full((*shape, 3), (10, 127, 250), np.uint8), InputSpec(40, 60), PreprocessSpec(resize, interpolation)) == (10, 127, 250)).all()


def test_stretch_halves_by_the_mean_of_each_square() -> None:
    picture = noise(64, 96).astype(int)
    means = picture.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(fit(picture.astype(np.uint8), InputSpec(32, 48), PLAIN) - means).max() <= 0.5


@pytest.mark.parametrize(("height", "width"), [(40, 100), (100, 40)])
def test_crop_takes_the_centre_at_its_own_aspect_ratio(height: int, width: int) -> None:
    picture = noise(height, width)
    fitted = fit(picture, InputSpec(40, 40), PreprocessSpec("crop"))
    assert np.array_equal(fitted, picture[(height - 40) // 2 :, (width - 40) // 2 :][:40, :40])


def test_crop_with_a_fraction_takes_as_much_less_of_each_side() -> None:
    picture = noise(80, 120)
    assert np.array_equal(fit(picture, InputSpec(40, 40), PreprocessSpec("crop", crop_fraction=0.5)), picture[20:60, 40:80])


def test_crop_of_a_long_strip_shows_its_middle_and_takes_little_memory() -> None:
    strip = np.zeros((1, 60_000, 3), np.uint8)
    strip[:, 29_990:30_010] = 255
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for picture in (strip, strip.transpose(1, 0, 2)):
        assert (fit(picture, InputSpec(224, 224), PreprocessSpec("crop", crop_fraction=0.875)) == 255).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("pad", [0, 127, 255])
@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"), [(40, 80, (10, 30), (0, 40)), (80, 40, (0, 40), (10, 30)), (40, 40, (0, 40), (0, 40))]
)
def test_letterbox_shows_the_whole_picture_centred_on_bars_of_the_pad_value(
    height: int, width: int, rows: tuple[int, int], columns: tuple[int, int], pad: int
) -> None:
    picture = np.full((height, width, 3), 200, np.uint8)
    expected = np.full((40, 40, 3), pad, np.uint8)
    expected[slice(*rows), slice(*columns)] = 200
    assert np.array_equal(fit(picture, InputSpec(40, 40), PreprocessSpec("letterbox", pad_value=pad)), expected)


def test_letterbox_leaves_a_strip_one_pixel_wide() -> None:
    fitted = fit(np.full((1, 3000, 3), 9, np.uint8), InputSpec(32, 32), PreprocessSpec("letterbox"))
    assert np.flatnonzero((fitted == 9).all((1, 2))).tolist() == [15]
    assert (np.delete(fitted, 15, 0) == 127).all()


@pytest.mark.parametrize("seed", range(12))
def test_nearest_takes_the_pixels_that_pillow_takes(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width, new_height, new_width = (int(v) for v in random.integers(1, 200, 4))
    picture = noise(height, width, seed=seed)
    expected = np.array(Pil.fromarray(picture).resize((new_width, new_height), Pil.Resampling.NEAREST))
    assert np.array_equal(fit(picture, InputSpec(new_height, new_width), PreprocessSpec(interpolation="nearest")), expected)


# ---- one way in


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_path_its_bytes_and_its_pixels_become_the_same_tensor(tmp_path: Path, kind: str, resize: str) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encoded(noise(90, 70), kind))
    size, spec = InputSpec(32, 48), PreprocessSpec(resize)
    expected = preprocess(path, size, spec)
    assert np.array_equal(preprocess(str(path), size, spec), expected)
    assert np.array_equal(preprocess(path.read_bytes(), size, spec), expected)
    assert np.array_equal(fit(read_picture(path), size, spec), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_bgr_and_rgb_are_mirror_images(kind: str) -> None:
    data = encoded(noise(33, 47), kind)
    assert np.array_equal(decode(data, color="bgr"), decode(data, color="rgb")[..., ::-1])
    spec = PreprocessSpec("crop", "cubic")
    assert np.array_equal(fit(decode(data, color="bgr"), InputSpec(20, 20), spec)[..., ::-1], fit(decode(data), InputSpec(20, 20), spec))


@pytest.mark.parametrize("name", ["two words.png", "größe ☃ 图.png", "two\nlines.png", "-rf.png", "a[1]*?.png", "no suffix", "'quoted\".png"])
def test_any_name_a_disk_takes_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    assert np.array_equal(read_picture(path), noise(20, 30))


# ---- arrays


@pytest.mark.parametrize(
    "array",
    [
        noise(4, 4).astype(np.float32),
        noise(4, 4)[..., 0],
        noise(4, 4, 4),
        noise(4, 4).transpose(2, 0, 1),
        noise(1, 1)[:0],
        noise(1, 1)[:, :0],
        [[1, 2, 3]],
        None,
    ],
    ids=["float", "grey", "alpha", "channels first", "no rows", "no columns", "list", "none"],
)
def test_an_array_that_is_no_picture_is_refused_with_what_it_is(array: object) -> None:
    with pytest.raises(PictureError, match=r"from the camera: .*uint8.*\[H, W, 3\]"):
        check_image(array, "from the camera")


def test_an_array_that_is_a_picture_is_taken_as_it_is() -> None:
    picture = noise(4, 5)
    assert check_image(picture) is picture
