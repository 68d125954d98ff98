"""A classifier of clips: a CNN embeds each frame, a recurrent layer keeps a state, a linear layer classifies each step.

The recurrent layer is an LSTM (Hochreiter and Schmidhuber, 1997) or a GRU (Cho et al., arXiv 1406.1078). Its weights
are the same at every step, so a clip may have any length. It starts from a state of zeros, and its last state
summarizes the whole clip.

The recurrent layer reads how the embedding changes from step to step, not the embedding itself. The embedding
identifies the scene. A network that reads it memorizes the scenes of a few thousand clips and does not learn what
happens in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from edgecnn.manifest import TemporalKind, TemporalSpec
from edgecnn.training.models.base import ImageClassifier

__all__ = [
    "CHANGE",
    "GRID",
    "HIDDEN",
    "MIXED",
    "ClipClassifier",
    "EmbeddingShape",
    "cells",
    "embedding_shape",
    "recurrent_network",
]

HIDDEN = 128
"""Size of the hidden state."""
GRID = 6
"""Most rows and columns of the grid to which the feature map is averaged. A mean over the whole map would lose where
something is."""
MIXED = 64
"""Most channels of each cell after mixing (a 1 x 1 convolution). Without mixing, the projection would hold most of the
head's weights: it would read 1,280 channels in 16 cells, 20,480 numbers."""
CHANGE = 128
"""Size of the projected embedding whose change the recurrent layer reads."""


@dataclass(frozen=True)
class EmbeddingShape:
    """The shape of a frame's embedding: ``[channels, cells]``, flattened to ``[channels * cells]``."""

    channels: int
    cells: int  # of the grid to which the feature map is averaged

    @property
    def size(self) -> int:
        """Size D of the embedding."""
        return self.channels * self.cells


class ClipClassifier(ImageClassifier):
    """A CNN with a recurrent head. A single image is classified as a clip of one frame.

    Args:
        backbone: the CNN that embeds a frame; its classifier is removed.
        embedding: the shape of the CNN's embedding, D numbers.
        kind: of the recurrent layer.
        classes: number of classes C.
        hidden: size H of the hidden state.
        mixed: channels M of each cell after mixing. A CNN with no more channels than that is not mixed.
        change: size P of the projected embedding.
        dropout: fraction of the hidden state that is dropped before the linear layer in training.
    """

    def __init__(
        self,
        backbone: ImageClassifier,
        embedding: EmbeddingShape,
        kind: TemporalKind,
        classes: int,
        hidden: int = HIDDEN,
        mixed: int = MIXED,
        change: int = CHANGE,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        for unused in ("classifier", *backbone.behind_feature_map):
            setattr(backbone, unused, nn.Identity())
        self.backbone = backbone
        self.kind = kind
        self.embedding = embedding
        fewer = embedding.channels > mixed
        self.mix = nn.Conv1d(embedding.channels, mixed, 1, bias=False) if fewer else nn.Identity()
        self.project = nn.Linear(min(embedding.channels, mixed) * embedding.cells, change, bias=False)
        self.norm = nn.LayerNorm(change)
        self.recurrent: nn.GRU | nn.LSTM = (nn.GRU if kind == "gru" else nn.LSTM)(change, hidden, batch_first=True)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))
        self.memory_format = backbone.memory_format  # type: ignore[misc]  # the memory layout of the CNN

    @property
    def hidden(self) -> int:
        """Size H of the hidden state."""
        return self.recurrent.hidden_size

    @property
    def state_size(self) -> int:
        """Size S of the packed state.

        In order: the recurrent layer's state (GRU: H; LSTM: hidden state, then cell state, 2 H), the projected
        embedding of the step before (P), a flag (0 before the first step, then 1).
        """
        return self.memory_size + self.norm.normalized_shape[0] + 1

    @property
    def memory_size(self) -> int:
        """Size of the recurrent layer's part of the packed state."""
        return self.hidden * (2 if self.kind == "lstm" else 1)

    def features(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> hidden states ``[N, H]``, each image as a clip of one frame."""
        start = images.new_zeros((len(images), self.state_size))
        return self.step(self.embed(images), start)[0]

    def embed(self, images: Tensor) -> Tensor:
        """Normalised images, float ``[N, 3, H, W]`` -> embeddings ``[N, D]``."""
        return cells(self.backbone, images).flatten(1)

    def early_parts(self) -> list[nn.Module]:
        """The first parts of the CNN, in order."""
        return self.backbone.early_parts()

    def head_parameters(self) -> list[nn.Parameter]:
        """The weights after the CNN: mixing, projection, normalisation, recurrent layer and classifier."""
        parts = (self.mix, self.project, self.norm, self.recurrent, self.classifier)
        return [parameter for part in parts for parameter in part.parameters()]

    def projected(self, embedding: Tensor) -> Tensor:
        """Embeddings ``[N, D]`` -> projected embeddings ``[N, P]``."""
        mixed = self.mix(embedding.reshape(len(embedding), self.embedding.channels, -1))  # [N, M, cells]
        found: Tensor = self.project(mixed.flatten(1))
        return found

    def hidden_states(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``[N, T, D]`` -> hidden states ``[N, T, H]`` after every step, from a state of zeros.

        The layer reads forward only, so padding after the end of a shorter clip does not change the states before it.
        """
        states: Tensor = self.recurrent(self.norm(self.changes(embeddings)))[0]
        return states

    def changes(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``[N, T, D]`` -> change of the projected embedding since the step before, ``[N, T, P]``.

        The change at the first step is zero.
        """
        projected = self.projected(embeddings.flatten(0, 1)).reshape(*embeddings.shape[:2], -1)
        return projected - torch.cat((projected[:, :1], projected[:, :-1]), dim=1)

    def at_every_step(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``[N, T, D]`` -> logits ``[N, T, C]`` after every step."""
        logits: Tensor = self.classifier(self.hidden_states(embeddings))
        return logits

    def step(self, embedding: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step: embedding ``[N, D]`` and packed state ``[N, S]`` -> hidden state ``[N, H]`` and next state.

        The formulas of torch's recurrent layers, written out for a state that the caller carries.
        """
        memory, before, started = state[:, : self.memory_size], state[:, self.memory_size : -1], state[:, -1:]
        projected = self.projected(embedding)
        hidden, memory = self._recur(self.norm((projected - before) * started), memory)
        return hidden, torch.cat((memory, projected, torch.ones_like(started)), dim=1)

    def _recur(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step of the recurrent layer: inputs ``[N, P]`` and its part of the state -> hidden state, next state."""
        input_weight, memory_weight, input_bias, memory_bias = cast("list[Tensor]", self.recurrent.all_weights[0])
        before = state[:, : self.hidden]
        inputs = nn.functional.linear(inputs, input_weight, input_bias)
        memory = nn.functional.linear(before, memory_weight, memory_bias)
        if self.kind == "gru":
            reset_in, update_in, new_in = inputs.chunk(3, dim=1)
            reset_memory, update_memory, new_memory = memory.chunk(3, dim=1)
            update = torch.sigmoid(update_in + update_memory)
            new = torch.tanh(new_in + torch.sigmoid(reset_in + reset_memory) * new_memory)
            after = (1 - update) * new + update * before
            return after, after
        taken, forgotten, new, given = (inputs + memory).chunk(4, dim=1)
        cell = torch.sigmoid(forgotten) * state[:, self.hidden :] + torch.sigmoid(taken) * torch.tanh(new)
        after = torch.sigmoid(given) * torch.tanh(cell)
        return after, torch.cat((after, cell), dim=1)


def embedding_shape(backbone: ImageClassifier, size: tuple[int, int]) -> EmbeddingShape:
    """The shape of the embedding of images of this size, height and width in pixels."""
    training = backbone.training
    device = next(backbone.parameters()).device
    with torch.no_grad():
        found = cells(backbone.eval(), torch.zeros(1, 3, *size, device=device)).shape
    backbone.train(training)
    return EmbeddingShape(found[1], found[2] * found[3])


def cells(backbone: ImageClassifier, images: Tensor) -> Tensor:
    """Averages the feature map over the cells of a grid of at most GRID x GRID; a cell is a whole number of pixels.

    Normalised images, float ``[N, 3, H, W]`` -> ``[N, channels, rows, columns]``: the embedding before it is flattened.
    """
    found = backbone.feature_map(images)  # [N, C, h, w]
    cell = [-(-side // GRID) for side in found.shape[2:]]
    if cell != [1, 1]:
        found = nn.functional.avg_pool2d(found, cell, ceil_mode=True, count_include_pad=False)
    return found


def recurrent_network(
    backbone: ImageClassifier, spec: TemporalSpec, classes: int, size: tuple[int, int]
) -> ClipClassifier:
    """The network of a checkpoint before its weights are loaded; ``size`` is the height and width of its images."""
    hidden = (spec.state_size - CHANGE - 1) // (2 if spec.kind == "lstm" else 1)
    return ClipClassifier(backbone, embedding_shape(backbone, size), spec.kind, classes, hidden)
