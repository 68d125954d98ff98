"""Ultralytics' `YOLO(...).predict` on its own classifier of about the same size. Its weights are random."""

from __future__ import annotations

import torch
from ultralytics import YOLO


class Way:
    """It reads files and folders itself."""

    def __init__(self, model: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.model = YOLO(model, task="classify")

    def one(self, path: str) -> int:
        return self.model.predict(path, imgsz=224, device="cpu", verbose=False)[0].probs.top1

    def folder(self, folder: str) -> list[int]:
        results = self.model.predict(folder, imgsz=224, device="cpu", verbose=False, stream=True)
        return [result.probs.top1 for result in results]
