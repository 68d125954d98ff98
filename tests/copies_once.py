"""Copies among the same few images are looked for once, however many tests train on them: that takes longer than an epoch."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgecnn.atomic import write_bytes
from edgecnn.data_quality.near_duplicates import Copies, find_copies
from edgecnn.training.data import load

__all__ = ["look_for_copies_once"]


def look_for_copies_once() -> None:
    """From now on, training takes what was found among the same images before, in this process or in another."""
    load.find_copies = _remembered


def _remembered(
    digests: Sequence[str], thumbnails: np.ndarray, progress: Callable[[int, int], None] | None = None
) -> Copies:
    key = hashlib.sha256("".join(digests).encode() + thumbnails.tobytes()).hexdigest()
    kept = Path(os.environ["EDGECNN_CACHE"]) / "copies" / key
    if not kept.exists():
        write_bytes(kept, pickle.dumps(find_copies(digests, thumbnails, progress)))
    elif progress:
        progress(1, 1)
    found: Copies = pickle.loads(kept.read_bytes())
    return found
