"""tract, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tract
from PIL import Image


class Way:
    """A runnable model, and a loop. tract computes on one thread, whatever ``threads`` is."""

    def __init__(self, model: str, threads: int) -> None:  # noqa: ARG002  # tract's Python has no setting for threads
        self.model = tract.onnx().load(model).into_model().into_runnable()

    def one(self, path: str) -> int:
        return int(self.model.run([read(path)])[0].to_numpy().argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])
