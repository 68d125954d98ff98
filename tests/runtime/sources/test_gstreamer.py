"""GStreamer pipelines, by the system's OpenCV: PyPI's has no GStreamer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edgecnn import open_source
from edgecnn.errors import SourceError

PYTHON = Path("/usr/bin/python3")
PROBE = "import cv2; assert cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER)"


def has_gstreamer() -> bool:
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", PROBE], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_gstreamer(), reason="needs an OpenCV with GStreamer for the system's Python")
def test_whatever_the_pipelines_format_the_image_is_in_blue_green_red() -> None:
    """OpenCV alone hands out I420 and NV12 as one grey plane and RGBA as if it were BGRA."""
    formats = ("BGR", "RGB", "BGRx", "RGBA", "I420", "NV12", "YUY2", "UYVY")
    script = Path(__file__).parents[2] / "gstreamer_colours.py"
    done = subprocess.run([PYTHON, script, *formats], capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)
    assert set(found) == set(formats)
    for blue, green, red in found.values():
        assert (blue < 4, green < 4, red > 250) == (True, True, True)


@pytest.mark.parametrize(
    "pipeline", ["videotestsrc ! fakesink", "videotestsrc ! tee name=t ! appsink t. ! fakesink", " ! appsink"]
)
def test_a_pipeline_that_does_not_end_in_appsink_is_an_error(pipeline: str) -> None:
    with open_source(pipeline) as opened, pytest.raises(SourceError, match="ends in appsink"):
        next(opened)
