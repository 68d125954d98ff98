"""The EXIF orientation is read from every format that carries it, and a broken one is upright."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image  # noqa: TID251  # writes the tag in every format

from edgecnn.image.exif import exif_orientation
from edgecnn.preprocess import decode


def encoded(form: str, orientation: int | None) -> bytes:
    image = Image.fromarray(np.zeros((8, 6, 3), np.uint8))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, form, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_tag_is_read(form: str, orientation: int) -> None:
    assert exif_orientation(encoded(form, orientation)) == orientation


def test_of_a_webp_the_chunk_counts_and_not_its_name_within_another() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.fromarray(np.zeros((8, 6, 3), np.uint8)).save(out, "WEBP", exif=exif, icc_profile=b"EXIF" * 20)
    assert out.getvalue().index(b"EXIF" * 20) < out.getvalue().rindex(b"EXIF")
    assert exif_orientation(out.getvalue()) == 6
    assert decode(out.getvalue()).shape == (6, 8, 3)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_without_the_tag_an_image_is_upright(form: str) -> None:
    assert exif_orientation(encoded(form, None)) == 1


def test_whatever_the_bytes_nothing_is_raised() -> None:
    random = np.random.default_rng(0)
    for form in ("JPEG", "PNG", "WEBP", "TIFF"):
        good = encoded(form, 6)
        for cut in range(len(good)):
            assert 1 <= exif_orientation(good[:cut]) <= 8
        for _ in range(200):
            broken = bytearray(good)
            for at in random.integers(0, min(len(good), 120), 4):
                broken[at] = random.integers(0, 256)
            assert 1 <= exif_orientation(bytes(broken)) <= 8
