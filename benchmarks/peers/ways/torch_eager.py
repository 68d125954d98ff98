"""torch, operator by operator; the folder by a DataLoader, in batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset


class Way:
    """An exported program's module, run eagerly."""

    def __init__(self, model: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self.threads = threads
        self.network = torch.export.load(model).module()

    @torch.inference_mode()
    def one(self, path: str) -> int:
        return int(self.network(read(path)[None]).argmax())

    @torch.inference_mode()
    def folder(self, folder: str) -> list[int]:
        batches = DataLoader(Images(folder), batch_size=8, num_workers=self.threads)
        return [answer for batch in batches for answer in self.network(batch).argmax(1).tolist()]


class Images(Dataset):
    """The JPEGs of a folder, sorted."""

    def __init__(self, folder: str) -> None:
        self.paths = sorted(Path(folder).glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> torch.Tensor:
        return read(str(self.paths[i]))


def read(path: str) -> torch.Tensor:
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return torch.from_numpy((pixels - 127) / 128).permute(2, 0, 1)
