"""MNN's file from the ONNX file, by the converter and the quantizer of its wheel.

python mnn_file.py float|int8 FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

# What the commands mnnconvert and mnnquant call: those also install a package with whatever pip is on the path, and
# report to MNN's maker that a model was converted, and its size.
import _tools
import numpy as np


def main(form: str, folder: Path) -> None:
    """Writes mnn.FORM.mnn."""
    source, target = folder / "plain.float.onnx", folder / f"mnn.{form}.mnn"
    if form == "float":
        _tools.mnnconvert(["", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)])
    else:
        _tools.mnnquant(str(folder / "mnn.float.mnn"), str(target), str(write_settings(folder)))


def write_settings(folder: Path) -> Path:
    """The quantizer reads image files, which it scales and normalises itself; these have the network's size."""
    from PIL import Image  # noqa: PLC0415  # float does without

    images = folder / "mnn_calibration"
    images.mkdir(exist_ok=True)
    for i, image in enumerate(np.load(folder / "calibration.npy")):
        Image.fromarray(image).save(images / f"{i:04d}.png")
    settings = folder / "mnn_quantization.json"
    settings.write_text(
        json.dumps(
            {
                "format": "RGB",
                "mean": [127.0] * 3,
                "normal": [1 / 128] * 3,
                "width": 224,
                "height": 224,
                "path": f"{images}/",
                "used_image_num": len(list(images.iterdir())),
                "feature_quantize_method": "KL",
                "weight_quantize_method": "MAX_ABS",
            }
        )
    )
    return settings


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
