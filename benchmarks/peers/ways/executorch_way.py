"""ExecuTorch's runtime on a program for XNNPACK, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
from executorch.runtime import Runtime
from PIL import Image


class Way:
    """A method of a program, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        _unsafe_reset_threadpool(threads)  # there is no other way to say how many from Python
        self.program = Runtime.get().load_program(model)
        self.method = self.program.load_method("forward")

    def one(self, path: str) -> int:
        return int(self.method.execute([torch.from_numpy(read(path))])[0].argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])
