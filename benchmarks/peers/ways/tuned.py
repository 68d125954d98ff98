"""onnxruntime tuned by hand: JPEGs decoded smaller, OpenCV's resize, and files decoded by threads ahead of the network.

What EdgeCNN does by itself, as far as a page of code goes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from PIL import Image


class Way:
    """A session, and a pool of threads that decode."""

    def __init__(self, model: str, threads: int) -> None:
        cv2.setNumThreads(1)  # the pool has the threads
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.pool = ThreadPoolExecutor(threads)

    def one(self, path: str) -> int:
        return self.answer(read(path))

    def folder(self, folder: str) -> list[int]:
        paths = sorted(map(str, Path(folder).glob("*.jpg")))
        return [self.answer(image) for image in self.pool.map(read, paths)]

    def answer(self, image: np.ndarray) -> int:
        return int(self.session.run(None, {"input": image})[0].argmax())


def read(path: str) -> np.ndarray:
    image = Image.open(path)
    image.draft("RGB", (384, 384))
    pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    scale = 256 / min(height, width)
    pixels = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    top, left = (pixels.shape[0] - 224) // 2, (pixels.shape[1] - 224) // 2
    crop = pixels[top : top + 224, left : left + 224]
    return cv2.dnn.blobFromImage(crop, 1 / 128, mean=(127, 127, 127))
