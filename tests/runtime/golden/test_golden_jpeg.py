"""The golden JPEG tells a device whose decoder gives other pixels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scaled_model import scaled_model, with_golden

from edgecnn.errors import ManifestError
from edgecnn.runtime.doctor.model import examine_model
from edgecnn.runtime.golden.choice import choose, synthetic_images
from edgecnn.runtime.golden.golden_jpeg import make_golden_jpeg
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.opening import open_session


def test_it_is_small_and_this_machine_decodes_it_as_it_did() -> None:
    made = make_golden_jpeg()
    assert len(made.content) < 15_000
    assert set(made.digests) == {1, 2, 4, 8}
    assert len(set(made.digests.values())) == 4
    assert made.differing() == ()
    assert made.difference() is None


def test_a_decoder_that_gives_other_pixels_is_found_with_the_sizes() -> None:
    made = make_golden_jpeg()
    altered = replace(made, digests={**made.digests, 4: "0" * 64, 1: "0" * 64})
    assert altered.differing() == (1, 4)
    assert "at full size, 1/4 of its size" in (altered.difference() or "")
    broken = replace(made, content=made.content[:200])
    assert broken.differing() == (1, 2, 4, 8)


def test_the_golden_samples_of_a_model_hold_it_where_jpegs_are_decoded_smaller(
    tiny_model: Path, tmp_path: Path
) -> None:
    images = synthetic_images(32, 32)
    assert choose(open_session(tiny_model, "cpu"), images, "fp32").jpeg is None
    samples = choose(open_session(scaled_model(tiny_model, tmp_path / "m.onnx"), "cpu"), images, "fp32")
    assert samples.jpeg == make_golden_jpeg()
    read = GoldenSamples.from_json(samples.to_json())
    assert read.jpeg == samples.jpeg
    np.testing.assert_array_equal(read.images, samples.images)


@pytest.mark.parametrize(
    "jpeg",
    [
        {"content": "!", "sha256": {}},
        {"content": 1, "sha256": {}},
        {"content": "", "sha256": {"3": ""}},
        {"sha256": {}},
        {"content": "", "sha256": []},
        [],
    ],
)
def test_one_that_is_no_golden_jpeg_is_refused(jpeg: object, tiny_model: Path) -> None:
    text = choose(open_session(tiny_model, "cpu"), synthetic_images(32, 32), "fp32").to_json()
    with pytest.raises(ManifestError, match="golden samples are invalid"):
        GoldenSamples.from_json(json.dumps({**json.loads(text), "jpeg": jpeg}))


@pytest.mark.parametrize(("digest", "level"), [(None, "ok"), ("0" * 64, "warning")])
def test_doctor_tells_whether_this_device_decodes_as_the_other_did(
    digest: str | None, level: str, tiny_model: Path, tmp_path: Path
) -> None:
    path = scaled_model(tiny_model, tmp_path / "model.onnx")
    samples = choose(open_session(path, "cpu"), synthetic_images(32, 32), "fp32")
    assert samples.jpeg is not None
    if digest is not None:
        samples = replace(samples, jpeg=replace(samples.jpeg, digests={**samples.jpeg.digests, 8: digest}))
    findings, _ = examine_model(with_golden(path, samples, tmp_path / "golden.onnx"), "cpu")
    [found] = [finding for finding in findings if finding.what.startswith("golden JPEG")]
    assert found.level == level
    assert ("1/8 of its size" in found.what) == (digest is not None)
    assert [finding.level for finding in findings if "golden samples" in finding.what] == ["ok"]
