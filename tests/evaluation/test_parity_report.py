"""The HTML report of `verify` for clips."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
from made_clips import write_frames
from video_files import write_video

from edgecnn.evaluation.parity import Flip, Stage, VerifyResult
from edgecnn.evaluation.parity_report import parity_page


def test_of_a_video_and_a_folder_of_frames_the_first_frame_is_shown(tmp_path: Path) -> None:
    frames = [np.full((80, 96, 3), (20 + 25 * i, 30, 200 - 25 * i), np.uint8) for i in range(8)]  # red to blue, BGR
    clips = [write_frames(tmp_path / "folder", frames), tmp_path / "clip.avi", tmp_path / "gone.avi"]
    write_video(clips[1], frames, fps=10)
    flips = tuple(Flip(str(clip), "left", "right") for clip in clips)
    stages = tuple(Stage("m.onnx", "onnx", "cpu", None, 1.0, 0.0, 0.0, None, changed) for changed in ((), flips))
    found = parity_page(VerifyResult(False, 3, stages, None, "made clips", "clips"))
    shown = [
        cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', found)
    ]
    assert len(shown) == 2
    assert found.count('class="gone"') == 1
    for image in shown:
        assert np.abs(image.mean((0, 1)) - (20, 30, 200)).max() < 10
