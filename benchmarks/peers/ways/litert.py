"""LiteRT's interpreter, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image


class Way:
    """An interpreter, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        self.interpreter = Interpreter(model, num_threads=threads)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def one(self, path: str) -> int:
        image = read(path)
        scale, zero = self.input["quantization"]
        if scale:
            image = np.clip(np.round(image / scale + zero), -128, 127).astype(np.int8)
        self.interpreter.set_tensor(self.input["index"], image)
        self.interpreter.invoke()
        return int(self.interpreter.get_tensor(self.output).argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return ((pixels - 127) / 128)[None]
