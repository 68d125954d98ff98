"""What `latency_ms` covers."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn import Classifier
from edgecnn.preprocess import Image
from edgecnn.runtime.sources import Frame


@pytest.mark.parametrize("source", ["image", "stream"])
def test_the_resize_is_part_of_the_preprocessing(
    source: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((50, 50, 3), np.uint8))
    classifier = Classifier(tiny_model, ep="cpu", threads=1)
    fit = classifier.fit

    def slow(frame: Frame) -> Image:
        time.sleep(0.05)
        return fit(frame)

    monkeypatch.setattr(classifier, "fit", slow)
    name = str(tmp_path / "a.png") if source == "image" else "fake:64x64@50"
    with classifier.stream(name, health=None, max_frames=1) as answers:
        latency = next(p for f, p in answers if f is not None).latency_ms
    assert latency.preprocess is not None
    assert latency.preprocess >= 50
    assert latency.total >= latency.preprocess + (latency.inference or 0)
