"""ncnn, with Pillow and NumPy."""

from __future__ import annotations

from pathlib import Path

import ncnn
import numpy as np
from PIL import Image


class Way:
    """A net, an extractor an image, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.load_param(model)
        self.net.load_model(model.removesuffix("param") + "bin")

    def one(self, path: str) -> int:
        image = ncnn.Mat.from_pixels(read(path), ncnn.Mat.PixelType.PIXEL_RGB, 224, 224)
        image.substract_mean_normalize([127.0] * 3, [1 / 128] * 3)
        extractor = self.net.create_extractor()
        extractor.input("in0", image)
        return int(np.array(extractor.extract("out0")[1]).argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return np.ascontiguousarray(image.crop((left, top, left + 224, top + 224)))
