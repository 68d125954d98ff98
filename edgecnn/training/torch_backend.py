"""The torch backend: runs a checkpoint for ``val`` and ``verify``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecnn.data.split_record import SplitRecord
from edgecnn.errors import CheckpointError
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.training.answers.answering import Answering
from edgecnn.training.calibration.ood_score import build_score
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.run.checkpoint import Checkpoint, load_checkpoint
from edgecnn.training.tensors import normalize, two_columns

__all__ = ["TorchBackend", "build_checkpoint", "open_checkpoint"]


class TorchBackend:
    """A torch network in 32-bit floats with its manifest."""

    kind = "torch"

    def __init__(
        self,
        network: ImageClassifier,  # its weights must not change after the first answer
        manifest: Manifest,
        record: SplitRecord | None = None,
        file: str = "",
        unknown: Mapping[str, Tensor] | None = None,  # tensors of the manifest's rejection score
        classes: str | None = None,  # statistics of the features of each class, as JSON
    ) -> None:
        self.network = network.eval()
        self.manifest = manifest
        self.split_record = record
        self.file = file
        self.unknown = dict(unknown or {})
        self.classes_json = classes
        self.score = build_score(manifest.unknown, self.unknown)
        self._device = next(network.parameters()).device
        self.ep = f"torch-{self._device.type}"

    def logits(self, images: Image) -> NDArray[np.float32]:
        """uint8 ``[N, H, W, 3]`` RGB -> logits ``[N, C]``; two columns for a one-logit network."""
        return self.logits_of(self.features(images))

    def features(self, images: Image) -> Tensor:
        """uint8 ``[N, H, W, 3]`` RGB -> pooled features ``[N, D]``."""
        with torch.inference_mode():
            return self._answering.features(self._normalized(images)).float().cpu()

    def logits_of(self, features: Tensor) -> NDArray[np.float32]:
        """Pooled features ``[N, D]`` -> logits ``[N, C]``; two columns for a one-logit network."""
        with torch.inference_mode():
            found = two_columns(self._answering.logits(features.to(self._device)))
        return cast("NDArray[np.float32]", found.cpu().numpy())

    def answers(self, images: Image) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Probabilities ``[N, C]``, and unknown scores ``[N]`` if the manifest's rule uses them."""
        if self.score is None:
            return self.probabilities(images), None
        with torch.inference_mode():
            embedding = self._answering.features(self._normalized(images))
            logits = two_columns(self._answering.logits(embedding))
            scores = self.score.to(self._device)(embedding, logits)
            return logits.div(self.manifest.temperature).softmax(1).cpu().numpy(), scores.cpu().numpy()

    @cached_property
    def _answering(self) -> Answering:
        return Answering(self.network)

    def _normalized(self, images: Image) -> Tensor:
        return normalize(images, self.manifest.normalization, self._device)

    def probabilities(self, images: Image) -> NDArray[np.float32]:
        """uint8 ``[N, H, W, 3]`` RGB -> ``[N, C]``, softmax after temperature."""
        return torch.from_numpy(self.logits(images)).div(self.manifest.temperature).softmax(1).numpy()


def open_checkpoint(path: Path, network: nn.Module | None = None) -> TorchBackend:
    """Opens a checkpoint. Raises as :func:`edgecnn.training.run.checkpoint.load_checkpoint` and
    :func:`build_checkpoint`."""
    checkpoint = load_checkpoint(path)
    built = build_checkpoint(checkpoint, path, network)
    return TorchBackend(
        built, checkpoint.manifest, checkpoint.record, str(path), checkpoint.unknown, checkpoint.classes
    )


def build_checkpoint(checkpoint: Checkpoint, path: Path, network: nn.Module | None = None) -> ImageClassifier:
    """The network of a checkpoint. Raises as :meth:`edgecnn.training.run.checkpoint.Checkpoint.build`."""
    try:
        return checkpoint.build(network)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
