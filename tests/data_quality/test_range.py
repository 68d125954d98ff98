"""Files of 16 bits whose upper bits are all empty hold the values of a sensor of fewer bits."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scenes import scene

from edgecnn.data_quality.finding import Finding
from edgecnn.runtime.doctor.run import examine


def _found(root: Path, bits: list[int]) -> list[Finding]:
    for number, used in enumerate(bits):
        for label in ("cold", "warm"):
            (root / label).mkdir(parents=True, exist_ok=True)
            grey = cv2.cvtColor(scene(number), cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257
            grey[0, 0] = 65535
            cv2.imwrite(str(root / label / f"{number}.png"), grey >> (16 - used))
    return [f for f in examine(root).findings if "16 bits a channel use" in f.what]


@pytest.mark.parametrize(("bits", "factor"), [(13, 8), (14, 4), (15, 2)])
def test_a_dataset_of_a_sensor_of_fewer_bits_is_warned_of(bits: int, factor: int, tmp_path: Path) -> None:
    (finding,) = _found(tmp_path, [bits] * 3)
    assert finding.level == "warning"
    assert f"at most {bits} of them: they are seen {factor} times as dark" in finding.what
    assert f"multiply the values by {factor}" in finding.remedy


def test_one_image_that_uses_all_bits_says_that_the_others_are_dark(tmp_path: Path) -> None:
    assert not _found(tmp_path, [14, 14, 16])
