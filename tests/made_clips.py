"""Small folders of clips: a bright square that moves right or left on noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from video_files import write_video

LABELS = ("left", "right")


def moving(label: str, frames: int, seed: int, side: int = 32) -> list[NDArray[np.uint8]]:
    """BGR frames; no single one tells the class."""
    random = np.random.default_rng(seed)
    background = random.integers(0, 90, (side, side, 3), np.uint8)
    speed = (side - 8) / max(frames - 1, 1) * random.uniform(0.6, 1.0)
    start = random.uniform(0, side - 8 - speed * (frames - 1))
    found = []
    for i in range(frames):
        x = round(start + speed * (i if label == "right" else frames - 1 - i))
        frame = background.copy()
        cv2.rectangle(frame, (x, 10), (x + 8, 20), (250, 230, 210), -1)
        found.append(frame)
    return found


def write_frames(folder: Path, frames: list[NDArray[np.uint8]]) -> Path:
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{i}.png"), frame)
    return folder


def write_clips(root: Path, clips: int, frames: int = 8, *, video: bool = False) -> Path:
    """So many clips of each class, of a few lengths."""
    for label in LABELS:
        for i in range(clips):
            made = moving(label, frames + i % 3, 100 * LABELS.index(label) + i)
            if video:
                (root / label).mkdir(parents=True, exist_ok=True)
                write_video(root / label / f"{i}.avi", made, fps=10)
            else:
                write_frames(root / label / str(i), made)
    return root
