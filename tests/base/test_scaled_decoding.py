"""JPEGs that are decoded smaller for a model: by one rule, placed as the whole image is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import Image, decode, decode_for, fit, fit_decoded, part_for, preprocess, read_image

SCALED = PreprocessSpec(decode="scaled")
SMALL = ModelInput(InputSpec(32, 32), SCALED)


@pytest.fixture(autouse=True, scope="module")
def _small_images_are_decoded_smaller_too() -> Iterator[None]:
    """So that a test need not decode megapixels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecnn.preprocess._LEAST_PIXELS", 0)
        yield


def scene(height: int, width: int) -> Image:
    """A smooth image with edges, RGB."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) * 255 // (height + width)], 2)
    image = image.astype(np.uint8)
    cv2.circle(image, (width // 3, height // 2), min(height, width) // 5, (250, 40, 10), -1)
    return image


def jpeg(image: Image, orientation: int = 1) -> bytes:
    data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


@pytest.mark.parametrize(
    ("height", "width", "spec", "part"),
    [
        (384, 384, SCALED, 8),  # 48 left, 1.5 times 32
        (383, 500, SCALED, 8),  # 48 left, rounded up
        (376, 500, SCALED, 4),  # 47 left
        (500, 190, SCALED, 4),
        (95, 500, SCALED, 2),
        (94, 500, SCALED, 1),
        (4000, 400, SCALED, 1),  # too long for a crop of the whole: no special case is worth it
        (384, 384, replace(SCALED, resize="crop", crop_fraction=0.5), 4),  # it is resized to 64
        (400, 800, replace(SCALED, resize="crop"), 8),
        (380, 800, replace(SCALED, resize="crop"), 4),
        (100, 384, replace(SCALED, resize="letterbox"), 8),  # the longer side is resized to 32, the other to 8
        (384, 384, PreprocessSpec(), 1),
    ],
)
def test_the_part_leaves_one_and_a_half_times_what_the_resize_makes(
    height: int, width: int, spec: PreprocessSpec, part: int
) -> None:
    assert part_for(height, width, ModelInput(InputSpec(32, 32), spec)) == part
    assert part_for(width, height, ModelInput(InputSpec(32, 32), spec)) == part


@pytest.mark.parametrize(("height", "width", "part"), [(512, 1023, 1), (512, 1024, 8), (480, 640, 1), (720, 1280, 8)])
def test_below_half_a_megapixel_a_file_is_decoded_whole_and_answered_as_its_pixels(
    height: int, width: int, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.preprocess._LEAST_PIXELS", 2**19)
    assert part_for(height, width, SMALL) == part
    data = jpeg(scene(height, width))
    same = (fit_decoded(decode_for(data, SMALL), SMALL) == fit(decode(data), SMALL.size, SCALED)).all()
    assert same == (part == 1)


@pytest.mark.parametrize("interpolation", ["area", "antialias", "antialias-cubic"])
@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("size", [(401, 611), (805, 403), (640, 640)])
def test_what_the_model_sees_lies_where_it_lies_in_the_whole_image(
    size: tuple[int, int], resize: str, interpolation: str
) -> None:
    spec = replace(SCALED, resize=resize, interpolation=interpolation, crop_fraction=0.875)  # type: ignore[arg-type]
    wanted = InputSpec(40, 24)
    data = jpeg(scene(*size))
    decoded = decode_for(data, ModelInput(wanted, spec))
    assert decoded.full_size == size
    assert max(decoded.image.shape[:2]) < max(size)
    seen = fit_decoded(decoded, ModelInput(wanted, spec))
    whole = fit(decode(data), wanted, spec)
    assert seen.shape == whole.shape
    assert np.abs(seen.astype(int) - whole).mean() < 1.5
    shifted = np.abs(np.roll(seen, 1, 1).astype(int) - whole).mean()
    assert shifted > 2 * np.abs(seen.astype(int) - whole).mean()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(400, 640), (401, 403)])  # the second is a square at an eighth
def test_orientation_is_applied_and_the_whole_size_is_upright(size: tuple[int, int], orientation: int) -> None:
    data = jpeg(scene(*size), orientation)
    whole = decode(data)
    decoded = decode_for(data, SMALL)
    assert decoded.full_size == whole.shape[:2]
    assert decoded.image.shape[0] == -(-whole.shape[0] // 8)
    for interpolation in ("area", "antialias"):
        model = replace(SMALL, preprocess=replace(SCALED, interpolation=interpolation))  # type: ignore[arg-type]
        seen = fit_decoded(decoded, model).astype(int)
        assert np.abs(seen - fit(whole, model.size, model.preprocess)).mean() < 0.6


def test_the_part_is_chosen_by_the_upright_size() -> None:
    """A model of 96 x 16 pixels needs rows: of the turned image it gets enough."""
    model = ModelInput(InputSpec(96, 16), SCALED)
    data = jpeg(scene(200, 600), orientation=6)  # upright 600 x 200
    assert decode_for(data, model).image.shape == (150, 50, 3)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_other_formats_are_decoded_whole(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"image{suffix}"
    cv2.imwrite(str(path), scene(400, 400))
    decoded = decode_for(path.read_bytes(), SMALL)
    assert decoded.image.shape == (400, 400, 3)
    np.testing.assert_array_equal(preprocess(path, SMALL.size, SCALED), fit(read_image(path), SMALL.size, SCALED))


def test_colours_are_in_the_order_asked_for_and_progressive_and_grey_files_are_read() -> None:
    data = jpeg(scene(400, 400))
    rgb, bgr = decode_for(data, SMALL).image, decode_for(data, SMALL, color="bgr").image
    np.testing.assert_array_equal(rgb, bgr[..., ::-1])
    assert rgb[25, 16, 0] > 200 > rgb[25, 16, 2]  # the red circle
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    progressive = cv2.imencode(".jpg", scene(400, 400), options)[1].tobytes()
    assert decode_for(progressive, SMALL).image.shape == (50, 50, 3)
    grey = cv2.imencode(".jpg", scene(400, 400)[..., 0])[1].tobytes()
    found = decode_for(grey, SMALL).image
    assert found.shape == (50, 50, 3)
    assert (found[..., 0] == found[..., 2]).all()


def test_a_model_that_says_full_sees_the_whole() -> None:
    data = jpeg(scene(400, 400))
    full = ModelInput(SMALL.size, PreprocessSpec())
    np.testing.assert_array_equal(decode_for(data, full).image, decode(data))
    np.testing.assert_array_equal(preprocess(data, full.size, full.preprocess), fit(decode(data), *_as(full)))


def _as(model: ModelInput) -> tuple[InputSpec, PreprocessSpec]:
    return model.size, model.preprocess
