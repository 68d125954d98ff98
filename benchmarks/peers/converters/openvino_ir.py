"""OpenVINO's IR from the ONNX file, and NNCF's int8 of it with its own choice of everything.

python openvino_ir.py float|int8 FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import openvino


def main(form: str, folder: Path) -> None:
    """Writes openvino.FORM.xml, with its weights beside it."""
    model = openvino.convert_model(folder / "plain.float.onnx", input=[1, 3, 224, 224])
    if form == "int8":
        model = quantized(model, np.load(folder / "calibration.npy"))
    openvino.save_model(model, folder / f"openvino.{form}.xml", compress_to_fp16=False)


def quantized(model: openvino.Model, images: np.ndarray) -> openvino.Model:
    import nncf  # noqa: PLC0415  # slow, and float does without

    inputs = ((images.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    dataset = nncf.Dataset(list(inputs), lambda image: image[None])
    return nncf.quantize(model, dataset, subset_size=len(images))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
