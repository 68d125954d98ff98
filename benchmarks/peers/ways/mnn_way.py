"""MNN, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import MNN.expr as F  # noqa: N812  # as MNN's documentation has it
import numpy as np
from MNN import nn
from PIL import Image


class Way:
    """A module, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        runtime = nn.create_runtime_manager(({"backend": "CPU", "numThread": threads, "precision": "high"},))
        self.module = nn.load_module_from_file(model, ["input"], ["logits"], runtime_manager=runtime)

    def one(self, path: str) -> int:
        image = F.convert(F.const(read(path), [1, 3, 224, 224], F.NCHW), F.NC4HW4)
        return int(np.argmax(self.module.forward([image])[0].read()))

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])
