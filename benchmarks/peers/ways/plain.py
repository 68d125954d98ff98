"""onnxruntime by hand, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


class Way:
    """A session, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def one(self, path: str) -> int:
        return int(self.session.run(None, {"input": read(path)})[0].argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return ((pixels - 127) / 128).transpose(2, 0, 1)[None]
