"""An image of any size, decoded at any part, becomes exactly the model's tensor."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from properties import examples, hypothesis, strategies

from edgecnn.manifest import InputSpec, ModelInput, PreprocessSpec
from edgecnn.preprocess import decode_for, fit, fit_decoded, part_for

SIDES = strategies.integers(1, 300) | strategies.sampled_from((1, 2, 7, 8, 9, 640, 1201))
WANTED = strategies.integers(1, 64) | strategies.sampled_from((1, 224))
SPECS = strategies.builds(
    PreprocessSpec,
    resize=strategies.sampled_from(("stretch", "crop", "letterbox")),
    interpolation=strategies.sampled_from(("area", "linear", "cubic", "nearest", "antialias", "antialias-cubic")),
    crop_fraction=strategies.floats(0.1, 1),
    decode=strategies.sampled_from(("full", "scaled")),
)


@examples(60)
@hypothesis.given(height=SIDES, width=SIDES, rows=WANTED, columns=WANTED, spec=SPECS)
def test_any_image_becomes_the_models_tensor_and_keeps_its_shade(
    height: int, width: int, rows: int, columns: int, spec: PreprocessSpec
) -> None:
    fitted = fit(np.full((height, width, 3), 201, np.uint8), InputSpec(rows, columns), spec)
    assert (fitted.shape, fitted.dtype, fitted.flags.c_contiguous) == ((rows, columns, 3), np.uint8, True)
    assert set(np.unique(fitted)) <= {201, spec.pad_value if spec.resize == "letterbox" else 201}


@examples(40)
@hypothesis.given(
    height=SIDES, width=SIDES, rows=WANTED, columns=WANTED, spec=SPECS, orientation=strategies.integers(1, 8)
)
def test_any_jpeg_becomes_the_models_tensor_at_the_smallest_part_that_leaves_enough(
    height: int, width: int, rows: int, columns: int, spec: PreprocessSpec, orientation: int
) -> None:
    model = ModelInput(InputSpec(rows, columns), spec)
    data = turned_jpeg(height, width, orientation)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecnn.preprocess._LEAST_PIXELS", 0)
        decoded = decode_for(data, model)
        part = part_for(*decoded.full_size, model)
    upright = (width, height) if orientation > 4 else (height, width)
    assert decoded.full_size == upright
    assert (decoded.part, decoded.image.shape) == (part, (-(-upright[0] // part), -(-upright[1] // part), 3))
    fitted = fit_decoded(decoded, model)
    assert (fitted.shape, fitted.dtype, fitted.flags.c_contiguous) == ((rows, columns, 3), np.uint8, True)
    if part > 1:
        assert spec.decode == "scaled"
        # The least that any resize of the rule makes; a letterbox may leave one side smaller than the model's
        least = min(1.5 * min(rows / upright[0], columns / upright[1]) * side for side in upright)
        assert min(decoded.image.shape[:2]) >= least - 1


def turned_jpeg(height: int, width: int, orientation: int) -> bytes:
    """A grey JPEG whose EXIF states an orientation."""
    data = cv2.imencode(".jpg", np.full((height, width), 90, np.uint8))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    return data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]


@examples(40)
@hypothesis.given(
    height=SIDES,
    width=SIDES,
    rows=WANTED,
    columns=WANTED,
    resize=strategies.sampled_from(("stretch", "crop", "letterbox")),
    share=strategies.floats(0.1, 1),
)
def test_what_a_part_leaves_is_what_the_rule_promises(
    height: int, width: int, rows: int, columns: int, resize: str, share: float
) -> None:
    """By the words of the manifest's page: both sides at least 1.5 times as long as the resize makes them."""
    model = ModelInput(InputSpec(rows, columns), PreprocessSpec(resize, crop_fraction=share, decode="scaled"))
    height, width = 4 * height + 800, 4 * width + 800
    scale = {
        "stretch": (rows / height, columns / width),
        "crop": (max(rows / height, columns / width) / share,) * 2,
        "letterbox": (min(rows / height, columns / width),) * 2,
    }[resize]
    made = max(1, scale[0] * height), max(1, scale[1] * width)

    def leaves_enough(part: int) -> bool:
        return all(-(-side // part) >= 1.5 * (m + 1) for side, m in zip((height, width), made, strict=True))

    part = part_for(height, width, model)
    assert part == 1 or all(-(-s // part) >= 1.5 * (m - 1) for s, m in zip((height, width), made, strict=True))
    if part < 8 and max(height, width) <= 8 * min(height, width):
        assert not leaves_enough(2 * part)
