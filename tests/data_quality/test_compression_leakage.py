"""How files were encoded is compared among files of one format."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import scene

from edgecnn.runtime.doctor.run import examine


def _write(path: Path, image: np.ndarray, *options: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, options)


def _leaks(root: Path) -> list[str]:
    return [f.what for f in examine(root).findings if "label leakage" in f.what]


@pytest.mark.parametrize("quality", [50, 101])  # 101: lossless
def test_webp_files_of_two_classes_that_were_encoded_in_two_ways_are_told(quality: int, tmp_path: Path) -> None:
    for i in range(20):
        _write(tmp_path / f"sky/{i}.webp", scene(i), cv2.IMWRITE_WEBP_QUALITY, 90)
        _write(tmp_path / f"frog/{i}.webp", scene(100 + i), cv2.IMWRITE_WEBP_QUALITY, quality)
    found = _leaks(tmp_path)
    assert len(found) == 1
    assert found[0].startswith(
        "WebP compression predicts the label (label leakage): 100% of the WebP files of 'frog' are "
    )


def test_plain_and_detailed_images_encoded_alike_as_webp_tell_nothing(tmp_path: Path) -> None:
    for i in range(20):
        _write(tmp_path / f"sky/{i}.webp", cv2.GaussianBlur(scene(i), (0, 0), 9), cv2.IMWRITE_WEBP_QUALITY, 80)
        _write(tmp_path / f"frog/{i}.webp", scene(100 + i), cv2.IMWRITE_WEBP_QUALITY, 80)
    assert not _leaks(tmp_path)


def test_classes_of_two_formats_are_told_once(tmp_path: Path) -> None:
    for i in range(20):
        _write(tmp_path / f"sky/{i}.jpg", scene(i))
        _write(tmp_path / f"frog/{i}.webp", scene(100 + i), cv2.IMWRITE_WEBP_QUALITY, 80)
    assert [what.partition(" predicts")[0] for what in _leaks(tmp_path)] == ["format"]
