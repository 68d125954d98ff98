"""Datasets with faults: writing them, and asking for their findings."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

from edgecnn.data_quality.finding import Finding
from edgecnn.runtime.doctor.run import examine

COUNT = 12  # images a class


def write(path: Path, image: np.ndarray, quality: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def of(root: Path, level: str) -> list[Finding]:
    return [f for f in examine(root).findings if f.level == level]


def the(root: Path, level: str, *words: str) -> Finding:
    """The one finding of a level; it says the words."""
    (finding,) = of(root, level)
    for word in words:
        assert word in f"{finding.what} {finding.where}"
    assert finding.remedy
    return finding


def with_orientation(path: Path, orientation: int) -> None:
    tiff = b"MM\x00*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\x00\x00" + tiff
    content = path.read_bytes()
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:])
