"""References in the file of frame-health thresholds, and thresholds of day and night together."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import scene

from edgecnn.errors import UsageError
from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.frame_quality.view_reference import read_reference, small_grey, write_reference


def reference(seed: int) -> str:
    return write_reference(small_grey(scene(seed, 640, 480)))


def png(width: int, height: int) -> str:
    return base64.b64encode(cv2.imencode(".png", np.zeros((height, width), np.uint8))[1].tobytes()).decode()


def test_references_come_back_from_their_file(tmp_path: Path) -> None:
    thresholds = FrameQualityThresholds(references=(reference(1), reference(2)))
    thresholds.save(tmp_path / "health.json")
    assert FrameQualityThresholds.load(tmp_path / "health.json") == thresholds
    assert (tmp_path / "health.json").stat().st_size < 80_000
    assert np.array_equal(read_reference(thresholds.references[0]), small_grey(scene(1, 640, 480)))


def test_a_file_without_references_has_none(tmp_path: Path) -> None:
    (tmp_path / "health.json").write_text('{"schema": 1, "still_s": 9.0}')
    assert FrameQualityThresholds.load(tmp_path / "health.json").references == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("!", "base64"),
        (7, "PNG"),
        (base64.b64encode(b"no image").decode(), "PNG"),
        (png(161, 20), "at most 160 x 160"),
        (png(60_000, 1), "at most 160 x 160"),
        (reference(1)[:2000], "damaged"),
        ("A" * 300_000, "small PNG"),
    ],
)
def test_a_reference_that_is_none_is_refused_by_the_file_s_name(text: object, why: str, tmp_path: Path) -> None:
    (tmp_path / "health.json").write_text(json.dumps({"schema": 1, "references": [text]}))
    with pytest.raises(UsageError, match=rf"health\.json: .*{why}.*edgecnn health"):
        FrameQualityThresholds.load(tmp_path / "health.json")


def test_thresholds_of_day_and_night_together_accept_either() -> None:
    day = FrameQualityThresholds(least_sharpness=0.4, bright_share=0.95, seam_share=1.0, references=(reference(1),))
    night = FrameQualityThresholds(
        least_sharpness=0.2, bright_share=0.8, still_difference=0.5, references=(reference(2), reference(1))
    )
    both = day.joined(night)
    assert (both.least_sharpness, both.bright_share, both.seam_share) == (0.2, 0.95, 1.0)
    assert both.still_difference == min(day.still_difference, night.still_difference)
    assert both.references == (reference(1), reference(2))
