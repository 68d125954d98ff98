"""Features of images as the device sees them, computed once as long as the network below its classifier stays the same.

A classifier fitted on frozen features, its validation, and the end of a run need the features of the same images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.training.data.pixel_cache import PixelCache
from edgecnn.training.models.base import ImageClassifier

__all__ = ["ExactFeatures"]

_MOST_KEPT = 20_000  # images: 100 MB of EfficientNet-Lite0's features


class ExactFeatures:
    """Asks a network for features, and keeps those that a run asks for again.

    Args:
        pixels: the decoded images of the folder.
        batch: images that are computed at once.
        kept: rows of the images whose features are kept; of more than 20,000 none are.
    """

    def __init__(self, pixels: PixelCache, batch: int, kept: Iterable[int]) -> None:
        self._pixels, self._batch = pixels, batch
        self._kept = frozenset(kept)
        if len(self._kept) > _MOST_KEPT:
            self._kept = frozenset()
        self._state: tuple[bytes, bool] | None = None
        self._known: dict[int, Tensor] = {}  # of that state, by row

    def of(
        self,
        network: ImageClassifier,
        rows: Sequence[int],
        compute: Callable[[Image], Tensor],
        *,
        mixed: bool = False,
        progress: Progress | None = None,
    ) -> Tensor:
        """Pooled features ``[len(rows), D]``, 32-bit floats on the CPU.

        Args:
            network: whose features they are. What was kept is used where no weight below the classifier changed since.
            rows: of the images, in the order of the folder; may repeat.
            compute: images, uint8 ``[K, H, W, 3]`` RGB -> features ``[K, D]``, asked for what is not known.
            mixed: whether it computes in bfloat16; kept features are used for the same precision alone.
            progress: told how many images of how many are done.
        """
        if (state := (_digest(network), mixed)) != self._state:
            self._state, self._known = state, {}
        missing = [row for row in dict.fromkeys(rows) if row not in self._known]
        found = dict(self._known)
        for i in range(0, len(missing), self._batch):
            batch = missing[i : i + self._batch]
            found.update(zip(batch, compute(self._pixels.exact(batch)[:]), strict=True))
            if progress:
                progress(len(rows) - max(len(missing) - i - self._batch, 0), len(rows))
        # clones: a row of a batch would keep the whole batch in memory
        self._known.update((row, found[row].clone()) for row in missing if row in self._kept)
        return torch.stack([found[row] for row in rows])


def _digest(network: ImageClassifier) -> bytes:
    """Of all weights and statistics below the classifier."""
    found = hashlib.blake2b()
    for name, values in (*network.named_parameters(), *network.named_buffers()):
        if not name.startswith("classifier."):
            found.update(name.encode())
            found.update(values.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.digest()
