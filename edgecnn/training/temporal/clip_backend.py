"""The torch backend of a recurrent model: runs a checkpoint step by step, or on the embeddings of whole clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecnn.preprocess import Image
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.temporal.network import ClipClassifier
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend, build_checkpoint

__all__ = ["ClipBackend", "StepOutputs", "open_any_checkpoint"]


@dataclass(frozen=True, eq=False)
class StepOutputs:
    """The outputs of one step for N sources."""

    probabilities: NDArray[np.float32]  # [N, C]
    state: NDArray[np.float32]  # [N, S]
    unknown_scores: NDArray[np.float32] | None  # [N]; None where the manifest's rule needs none


class ClipBackend(TorchBackend):
    """A recurrent torch network in 32-bit floats, with its manifest. It takes a single image as a clip of one frame."""

    network: ClipClassifier

    def embeddings(self, images: Image) -> Tensor:
        """uint8 ``[N, H, W, 3]`` RGB -> embeddings of the CNN ``[N, D]``, on the CPU."""
        with torch.inference_mode():
            inputs = normalize(images, self.manifest.normalization, self._device)
            return self.network.embed(inputs).float().cpu()

    def start(self, sources: int = 1) -> NDArray[np.float32]:
        """The state ``[N, S]`` before the first step: zeros."""
        return np.zeros((sources, self.network.state_size), np.float32)

    def step(self, images: Image, state: NDArray[np.float32]) -> StepOutputs:
        """Runs one step: uint8 ``[N, H, W, 3]`` RGB and the packed state ``[N, S]`` of each source."""
        with torch.inference_mode():
            embedding = self.network.embed(normalize(images, self.manifest.normalization, self._device))
            hidden, after = self.network.step(embedding, torch.from_numpy(state).to(self._device))
            logits = self.network.classifier(hidden)
            scores = None if self.score is None else self.score.to(self._device)(hidden, logits).cpu().numpy()
            probabilities = logits.div(self.manifest.temperature).softmax(1)
            return StepOutputs(probabilities.cpu().numpy(), after.cpu().numpy(), scores)

    def clip(self, images: Image) -> NDArray[np.float32]:
        """All steps of one clip, uint8 ``[T, H, W, 3]`` RGB -> probabilities ``[T, C]`` after each step."""
        with torch.inference_mode():
            logits = self.network.at_every_step(self.embeddings(images)[None].to(self._device))[0]  # [T, C]
            found: NDArray[np.float32] = logits.div(self.manifest.temperature).softmax(1).cpu().numpy()
        return found


def open_any_checkpoint(path: Path, network: nn.Module | None = None) -> TorchBackend:
    """Opens a checkpoint: of a classifier of clips as a :class:`ClipBackend`, of images as a :class:`TorchBackend`.

    Args:
        path: the checkpoint.
        network: your own network, which gets the weights of the checkpoint.

    Raises:
        InputNotFoundError, CheckpointError, UsageError: as :func:`edgecnn.training.torch_backend.open_checkpoint`.
    """
    checkpoint = load_checkpoint(path)
    built = build_checkpoint(checkpoint, path, network)
    kind = ClipBackend if isinstance(built, ClipClassifier) else TorchBackend
    return kind(built, checkpoint.manifest, checkpoint.record, str(path), checkpoint.unknown, checkpoint.classes)
