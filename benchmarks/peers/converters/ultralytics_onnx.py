"""Ultralytics' own classifier from its description, with random weights: nothing is downloaded.

python ultralytics_onnx.py float FOLDER
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from ultralytics import YOLO


def main(form: str, folder: Path) -> None:
    """Writes ultralytics.FORM.onnx."""
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)  # it writes where it is called
        torch.manual_seed(0)
        shutil.copy(YOLO("yolo11n-cls.yaml").export(format="onnx", imgsz=224), folder / f"ultralytics.{form}.onnx")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
