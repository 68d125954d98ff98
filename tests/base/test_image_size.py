"""How options give the size of an input."""

from __future__ import annotations

import pytest

from edgecnn.errors import UsageError
from edgecnn.image_size import MAX_MEGAPIXELS, ImageSize, height_width, pixel_limit, read_image_size, show_image_size
from edgecnn.preprocess import MAX_PIXELS


@pytest.mark.parametrize(
    ("text", "size"), [("96", 96), ("96x160", (96, 160)), ("96,160", (96, 160)), ("96X160", (96, 160)), ("32x32", 32)]
)
def test_a_size_is_one_side_or_height_and_width(text: str, size: ImageSize) -> None:
    assert read_image_size(text) == size
    assert read_image_size(show_image_size(size)) == size
    assert height_width(96) == (96, 96)


@pytest.mark.parametrize("text", ["", "x", "96x", "96x160x3", "4", "96x4", "5000", "-96", "96.5", "wide"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="HEIGHTxWIDTH as in 96x160"):
        read_image_size(text)


def test_the_largest_image_of_every_command_is_that_of_programs() -> None:
    assert pixel_limit(MAX_MEGAPIXELS) == MAX_PIXELS
