"""The Raspberry Pi's camera, through a picamera2 of the test's own: the real one is for the Pi alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from waiting import outage_of

from edgecnn import Classifier, open_source
from edgecnn.runtime.sources import LiveOptions, LiveSource, parse_address

# As picamera2's manual has it (sections 3 and 4): capture_array gives RGB888 as B, G, R; a camera that is not there
# raises IndexError
PICAMERA2 = """
import time
import numpy as np

class Picamera2:
    def __init__(self, number):
        if number > 1:
            raise IndexError("list index out of range")
        self.number, self.size = number, None

    def create_video_configuration(self, main):
        assert main["format"] == "RGB888"
        return main

    def configure(self, configuration):
        self.size = configuration["size"]

    def start(self):
        assert self.size is not None

    def capture_array(self, name):
        assert name == "main"
        time.sleep(0.03)
        if self.number == 1:
            raise KeyError("no such stream")  # what no manual speaks of
        width, height = self.size
        return np.full((height, width, 3), (10, 20, 200), np.uint8)

    def close(self):
        pass
"""


@pytest.fixture
def picamera2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the capture process will look for it: where this one does."""
    (tmp_path / "picamera2.py").write_text(PICAMERA2)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("address", ["csi:", "csi:0"])
@pytest.mark.usefixtures("picamera2")
def test_the_camera_gives_frames_in_blue_green_red(address: str) -> None:
    with open_source(address) as source:
        frame = next(source)
    assert frame.image.shape == (720, 1280, 3)
    assert frame.image[0, 0].tolist() == [10, 20, 200]
    assert frame.kind == "stream"


@pytest.mark.usefixtures("picamera2")
def test_a_camera_that_is_not_connected_is_waited_for() -> None:
    with LiveSource(parse_address("csi:5"), LiveOptions(first_wait_s=0.05)) as source:
        outage = outage_of(source)
    assert "cannot be opened (list index out of range)" in outage.reason


@pytest.mark.usefixtures("picamera2")
def test_an_error_that_nobody_foresaw_is_an_outage_that_says_what_it_was() -> None:
    with LiveSource(parse_address("csi:1"), LiveOptions(first_wait_s=0.05)) as source:
        outage = outage_of(source)
    assert outage.reason == "KeyError: 'no such stream'"


@pytest.mark.usefixtures("picamera2")
def test_the_classifier_answers_from_it(tiny_model: Path) -> None:
    with Classifier(tiny_model, ep="cpu", threads=1).stream("csi:", health=None, max_frames=2) as answers:
        assert [prediction.source for _, prediction in answers] == ["csi:", "csi:"]
