"""OpenCV's own network module."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


class Way:
    """A net, and a loop."""

    def __init__(self, model: str, threads: int) -> None:
        cv2.setNumThreads(threads)
        self.net = cv2.dnn.readNetFromONNX(model)

    def one(self, path: str) -> int:
        self.net.setInput(cv2.dnn.blobFromImage(read(path), 1 / 128, mean=(127, 127, 127), swapRB=True))
        return int(self.net.forward().argmax())

    def folder(self, folder: str) -> list[int]:
        return [self.one(str(path)) for path in sorted(Path(folder).glob("*.jpg"))]


def read(path: str) -> np.ndarray:
    image = cv2.imread(path)
    scale = 256 / min(image.shape[:2])
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    top, left = (image.shape[0] - 224) // 2, (image.shape[1] - 224) // 2
    return image[top : top + 224, left : left + 224]
