"""How an image becomes the model's size, by every way in."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from encoded_images import encoded, noise
from PIL import Image as Pil  # noqa: TID251  # the oracle, where no loss is at stake

from edgecnn.errors import ImageError
from edgecnn.manifest import InputSpec, PreprocessSpec
from edgecnn.preprocess import check_image, decode, fit, preprocess, read_image

PLAIN = PreprocessSpec()


# ---- geometry


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (64, 48), (63, 200), (480, 641)])
@pytest.mark.parametrize("size", [InputSpec(64, 48), InputSpec(33, 77)], ids=["64x48", "33x77"])
def test_any_image_gets_exactly_the_size_asked_for(resize: str, shape: tuple[int, int], size: InputSpec) -> None:
    for interpolation in ("area", "linear", "cubic", "nearest"):
        for fraction in (1.0, 0.875, 0.3):
            fitted = fit(noise(*shape), size, PreprocessSpec(resize, interpolation, fraction))
            assert fitted.shape == (size.height, size.width, 3)
            assert fitted.dtype == np.uint8
            assert fitted.flags.c_contiguous


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("interpolation", ["area", "linear", "cubic", "nearest"])
def test_an_image_of_the_right_size_is_left_as_it_is(resize: str, interpolation: str) -> None:
    image = noise(64, 48)
    assert np.array_equal(fit(image, InputSpec(64, 48), PreprocessSpec(resize, interpolation)), image)


@pytest.mark.parametrize("interpolation", ["area", "linear", "cubic", "nearest"])
@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_a_flat_image_stays_flat(resize: str, interpolation: str) -> None:
    for shape in ((10, 10), (300, 200), (1, 500)):
        assert (
            fit(
                np.full((*shape, 3), (10, 127, 250), np.uint8), InputSpec(40, 60), PreprocessSpec(resize, interpolation)
            )
            == (10, 127, 250)
        ).all()


def test_stretch_halves_by_the_mean_of_each_square() -> None:
    image = noise(64, 96).astype(int)
    means = image.reshape(32, 2, 48, 2, 3).mean((1, 3))
    assert np.abs(fit(image.astype(np.uint8), InputSpec(32, 48), PLAIN) - means).max() <= 0.5


@pytest.mark.parametrize(("height", "width"), [(40, 100), (100, 40)])
def test_crop_takes_the_centre_at_its_own_aspect_ratio(height: int, width: int) -> None:
    image = noise(height, width)
    fitted = fit(image, InputSpec(40, 40), PreprocessSpec("crop"))
    assert np.array_equal(fitted, image[(height - 40) // 2 :, (width - 40) // 2 :][:40, :40])


def test_crop_with_a_fraction_takes_as_much_less_of_each_side() -> None:
    image = noise(80, 120)
    assert np.array_equal(fit(image, InputSpec(40, 40), PreprocessSpec("crop", crop_fraction=0.5)), image[20:60, 40:80])


@pytest.mark.parametrize("fraction", [1.0, 0.875, 0.7])
@pytest.mark.parametrize(
    "shape", [(480, 640), (720, 1280), (1080, 1920), (375, 500), (640, 480), (432, 96), (333, 517)]
)
def test_crop_gives_the_pixels_of_the_whole_image_resized_and_cut(shape: tuple[int, int], fraction: float) -> None:
    """Though it leaves out what the centre does not need."""
    height, width = shape
    image, spec = noise(height, width), PreprocessSpec("crop", crop_fraction=fraction)
    for side in (96, 160, 224, 256):
        factor = side / min(shape) / fraction
        new_height, new_width = max(side, round(height * factor)), max(side, round(width * factor))
        whole = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA)
        top, left = (new_height - side) // 2, (new_width - side) // 2
        assert np.array_equal(fit(image, InputSpec(side, side), spec), whole[top : top + side, left : left + side])


def test_crop_of_a_long_strip_shows_its_middle_and_takes_little_memory() -> None:
    strip = np.zeros((1, 60_000, 3), np.uint8)
    strip[:, 29_990:30_010] = 255
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    for image in (strip, strip.transpose(1, 0, 2)):
        assert (fit(image, InputSpec(224, 224), PreprocessSpec("crop", crop_fraction=0.875)) == 255).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert time.process_time() - start < 5


@pytest.mark.parametrize("pad", [0, 127, 255])
@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(40, 80, (10, 30), (0, 40)), (80, 40, (0, 40), (10, 30)), (40, 40, (0, 40), (0, 40))],
)
def test_letterbox_shows_the_whole_image_centred_on_bars_of_the_pad_value(
    height: int, width: int, rows: tuple[int, int], columns: tuple[int, int], pad: int
) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    expected = np.full((40, 40, 3), pad, np.uint8)
    expected[slice(*rows), slice(*columns)] = 200
    assert np.array_equal(fit(image, InputSpec(40, 40), PreprocessSpec("letterbox", pad_value=pad)), expected)


def test_letterbox_leaves_a_strip_one_pixel_wide() -> None:
    fitted = fit(np.full((1, 3000, 3), 9, np.uint8), InputSpec(32, 32), PreprocessSpec("letterbox"))
    assert np.flatnonzero((fitted == 9).all((1, 2))).tolist() == [15]
    assert (np.delete(fitted, 15, 0) == 127).all()


@pytest.mark.parametrize("seed", range(12))
def test_nearest_takes_the_pixels_that_pillow_takes(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, width, new_height, new_width = (int(v) for v in random.integers(1, 200, 4))
    image = noise(height, width, seed=seed)
    expected = np.array(Pil.fromarray(image).resize((new_width, new_height), Pil.Resampling.NEAREST))
    assert np.array_equal(
        fit(image, InputSpec(new_height, new_width), PreprocessSpec(interpolation="nearest")), expected
    )


# ---- one way in


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_path_its_bytes_and_its_pixels_become_the_same_tensor(tmp_path: Path, kind: str, resize: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(encoded(noise(90, 70), kind))
    size, spec = InputSpec(32, 48), PreprocessSpec(resize)
    expected = preprocess(path, size, spec)
    assert np.array_equal(preprocess(str(path), size, spec), expected)
    assert np.array_equal(preprocess(path.read_bytes(), size, spec), expected)
    assert np.array_equal(fit(read_image(path), size, spec), expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_bgr_and_rgb_are_mirror_images(kind: str) -> None:
    data = encoded(noise(33, 47), kind)
    assert np.array_equal(decode(data, color="bgr"), decode(data, color="rgb")[..., ::-1])
    spec = PreprocessSpec("crop", "cubic")
    assert np.array_equal(
        fit(decode(data, color="bgr"), InputSpec(20, 20), spec)[..., ::-1], fit(decode(data), InputSpec(20, 20), spec)
    )


@pytest.mark.parametrize(
    "name", ["two words.png", "größe ☃ 图.png", "two\nlines.png", "-rf.png", "a[1]*?.png", "no suffix", "'quoted\".png"]
)
def test_any_name_a_disk_takes_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(noise(20, 30), "PNG"))
    assert np.array_equal(read_image(path), noise(20, 30))


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
def test_an_array_that_is_no_image_is_refused_with_what_it_is(array: object) -> None:
    with pytest.raises(ImageError, match=r"from the camera: .*uint8.*\[H, W, 3\]"):
        check_image(array, "from the camera")


def test_an_array_that_is_an_image_is_taken_as_it_is() -> None:
    image = noise(4, 5)
    assert check_image(image) is image
