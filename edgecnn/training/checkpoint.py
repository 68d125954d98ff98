"""Checkpoints: the weights with all that rebuilds the network, judges it and goes on with its training.

Plain values and tensors alone, so that ``torch.load(weights_only=True)`` reads them: a checkpoint cannot run code.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgecnn.atomic import atomic_path
from edgecnn.errors import CheckpointError, InputNotFoundError, ManifestError
from edgecnn.held_out import SplitRecord
from edgecnn.manifest import Manifest
from edgecnn.training.history import EpochRow
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import find_model

__all__ = ["FORMAT", "Checkpoint", "Progressed", "load_checkpoint", "save_checkpoint"]

FORMAT = 1


@dataclass(frozen=True)
class Progressed:
    """Where a run stands, for resuming it."""

    recipe: dict[str, Any]
    options: dict[str, Any]
    optimizer: dict[str, Any]
    history: tuple[EpochRow, ...]  # one a finished epoch
    best_top1: float
    best_nll: float
    seconds: float  # spent so far
    planned_epochs: int


@dataclass(frozen=True)
class Checkpoint:
    """A network's weights and what is known of them."""

    model: str  # a built-in network
    manifest: Manifest
    record: SplitRecord
    weights: dict[str, Tensor]
    progressed: Progressed | None = None  # in last.pt alone
    unknown: dict[str, Tensor] = field(default_factory=dict)  # of the fitted rejection score, see edgecnn.training.unknown

    def build(self) -> ImageClassifier:
        """The network with these weights, in evaluation mode.

        Raises:
            CheckpointError: the weights do not fit.
        """
        network = find_model(self.model).build(len(self.manifest.labels), self.manifest.input.height)
        try:
            network.load_state_dict(self.weights)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise CheckpointError(f"the weights do not fit {self.model}: {str(error).splitlines()[0]}; train again") from error
        return network.eval()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically. Raises :class:`OutputError`; the old file is then as it was."""
    content = {
        "edgecnn_checkpoint": FORMAT,
        "model": checkpoint.model,
        "manifest": checkpoint.manifest.to_json(),
        "split": checkpoint.record.to_json(),
        "weights": checkpoint.weights,
        "weights_sha256": _digest(checkpoint.weights),
        "unknown": checkpoint.unknown,
        "unknown_sha256": _digest(checkpoint.unknown),
        "progressed": asdict(checkpoint.progressed) if checkpoint.progressed else None,
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's zip writer reports a full disk so
            raise OSError(None, str(error).splitlines()[0]) from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint.

    Raises:
        InputNotFoundError: no such file.
        CheckpointError: not a checkpoint of EdgeCNN, broken, or of another version.
    """
    if not path.exists():
        raise InputNotFoundError(f"{path}: no such checkpoint; check the path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # broken bytes make the unpickler raise whatever they will
        raise CheckpointError(
            f"{path}: not a checkpoint that can be read: {_first_line(error)}; give a weights/best.pt of `edgecnn train`"
        ) from error
    if not isinstance(content, dict) or "edgecnn_checkpoint" not in content:
        raise CheckpointError(f"{path}: a torch file, but no checkpoint of EdgeCNN; give a weights/best.pt of `edgecnn train`")
    if content["edgecnn_checkpoint"] != FORMAT:
        raise CheckpointError(
            f"{path}: checkpoint format {content['edgecnn_checkpoint']}, this program reads {FORMAT}; update EdgeCNN or train again"
        )
    try:
        return Checkpoint(
            model=content["model"],
            manifest=Manifest.from_json(content["manifest"]),
            record=SplitRecord.from_json(content["split"]),
            weights=_intact(content, path, "weights"),
            unknown=_intact(content, path, "unknown") if "unknown" in content else {},  # older checkpoints have none
            progressed=_progressed(content["progressed"]),
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ManifestError) as error:
        raise CheckpointError(f"{path}: a broken checkpoint ({error}); train again") from error


def _progressed(found: dict[str, Any] | None) -> Progressed | None:
    return None if found is None else Progressed(**{**found, "history": tuple(EpochRow(**row) for row in found["history"])})


def _intact(content: dict[str, Any], path: Path, key: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = content[key]
    if _digest(tensors) != content[f"{key}_sha256"]:
        raise CheckpointError(f"{path}: its weights are not those that were written: the file is damaged; take another, or train again")
    return tensors


def _digest(weights: Any) -> str:
    """Of names, shapes and values: torch reads tensors without looking whether they are whole."""
    found = hashlib.sha256()
    for name, tensor in weights.items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
