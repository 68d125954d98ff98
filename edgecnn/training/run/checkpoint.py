"""Checkpoints: the weights with all that rebuilds the network, evaluates it and goes on with its training.

Plain values and tensors alone, so that ``torch.load(weights_only=True)`` reads them: a checkpoint cannot run code.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from edgecnn.atomic import atomic_path
from edgecnn.data.split_record import SplitRecord
from edgecnn.error_text import first_line
from edgecnn.errors import CheckpointError, InputNotFoundError, ManifestError, UsageError
from edgecnn.manifest import Manifest
from edgecnn.progress import Reporter
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import OWN, own_network
from edgecnn.training.models.registry import find_model
from edgecnn.training.pruning.narrowed_spec import narrowed
from edgecnn.training.pruning.widths import Widths
from edgecnn.training.run.history import EpochRow
from edgecnn.training.temporal.network import recurrent_network

__all__ = ["FORMAT", "Checkpoint", "Progressed", "load_checkpoint", "load_last", "save_checkpoint", "save_last"]

FORMAT = 1
_PRUNED_FORMAT = 2  # which versions before pruning refuse with one line, where they would not find the layers that fit


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """Where a run stands, for resuming it."""

    recipe: dict[str, Any]
    options: dict[str, Any]
    # The optimizer's state, and the weights as trained where the checkpoint's are their average
    learner: dict[str, Any]
    history: tuple[EpochRow, ...]  # one a finished epoch
    best_top1: float
    best_nll: float
    since_best: int  # epochs
    seconds: float  # spent so far
    planned_epochs: int
    step: int  # steps done of the epoch after the last of the history
    loss_sum: float  # over the images of those steps
    seen: int  # images of those steps
    best_macro_f1: float = -1.0  # checkpoints of older versions have none
    small_epochs: int = 0  # nor these


@dataclass(frozen=True)
class Checkpoint:
    """A network's weights and what is known of them."""

    model: str  # a built-in network, or `custom`: one that only its owner can build
    manifest: Manifest
    record: SplitRecord
    weights: dict[str, Tensor]
    progressed: Progressed | None = None  # in last.pt alone
    # Of the fitted rejection score, see edgecnn.training.calibration.ood_score
    unknown: dict[str, Tensor] = field(default_factory=dict)
    classes: str | None = None  # statistics of the features of each class, as JSON; None: older, or not computed
    widths: Widths | None = None  # of a pruned network

    def build(self, network: nn.Module | None = None) -> ImageClassifier:
        """The network with these weights, in evaluation mode.

        Args:
            network: for the checkpoint of a network of your own: one of the same layers, with any weights; it is
                left as it is.

        Raises:
            CheckpointError: the weights or the widths do not fit; or the network is somebody's own and not given,
                or given and not needed.
            UsageError: the network given cannot be used.
        """
        built = self._unfilled(network)
        try:
            built.load_state_dict(self.weights)
        except (RuntimeError, TypeError, AttributeError) as error:
            remedy = "train again" if network is None else "give the network that was trained"
            raise CheckpointError(
                f"the weights do not fit {self.model}: {str(error).splitlines()[0]}; {remedy}"
            ) from error
        return built.eval()

    def _unfilled(self, network: nn.Module | None) -> ImageClassifier:
        classes, size = len(self.manifest.labels), (self.manifest.input.height, self.manifest.input.width)
        if self.model == OWN:
            if network is None:
                raise CheckpointError(
                    "the checkpoint holds the weights of a network of your own, which it cannot build; "
                    "give that network in Python: network=…, as docs/own-network.md shows, and use the exported "
                    "file from there on"
                )
            return own_network(network, classes, size)
        if network is not None:
            raise CheckpointError(f"the checkpoint holds a {self.model}, which is built in; leave network= out")
        try:
            built = narrowed(find_model(self.model), self.widths).build(classes, size)
        except UsageError as error:
            raise CheckpointError(f"{error}; train again") from error
        return (
            built if self.manifest.temporal is None else recurrent_network(built, self.manifest.temporal, classes, size)
        )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint atomically. Raises :class:`OutputError`; the old file is then as it was."""
    content = {
        "edgecnn_checkpoint": FORMAT if checkpoint.widths is None else _PRUNED_FORMAT,
        "model": checkpoint.model,
        "manifest": checkpoint.manifest.to_json(),
        "split": checkpoint.record.to_json(),
        "weights": checkpoint.weights,
        "weights_sha256": _digest(checkpoint.weights),
        "unknown": checkpoint.unknown,
        "unknown_sha256": _digest(checkpoint.unknown),
        "classes": checkpoint.classes,
        "widths": None if checkpoint.widths is None else checkpoint.widths.to_json(),
        "progressed": asdict(checkpoint.progressed) if checkpoint.progressed else None,
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # torch's zip writer replaces the error of a full disk with one about positions
            why = error.__context__
            raise (why if isinstance(why, OSError) else OSError(None, first_line(error))) from error


def save_last(last: Path, previous: Path, checkpoint: Checkpoint) -> None:
    """Writes the checkpoint to resume from and keeps the one before, should a disk spoil this one.

    Raises :class:`OutputError`.
    """
    if last.exists():
        with suppress(OSError), atomic_path(previous) as kept:
            kept.unlink()
            os.link(last, kept)  # no copy: both names lead to the same bytes; a file system without links keeps none
    save_checkpoint(last, checkpoint)


def load_last(last: Path, previous: Path, reporter: Reporter) -> Checkpoint:
    """The checkpoint to resume from, or the one before where that is damaged, which is said.

    Raises as :func:`load_checkpoint`.
    """
    try:
        return load_checkpoint(last)
    except (CheckpointError, InputNotFoundError) as error:
        if not previous.exists():
            raise
        found = load_checkpoint(previous)
        reporter.say(f"{error}")
        reporter.say(f"going on from the checkpoint before: {previous}")
        return found


def _why(path: Path, error: Exception) -> str:
    """torch's own message on another program's file advises to load it without protection."""
    if not isinstance(error, pickle.UnpicklingError):
        return first_line(error)
    return "it holds another program's Python objects" if zipfile.is_zipfile(path) else "it is no file of torch"


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
            f"{path}: not a checkpoint that can be read: {_why(path, error)}; give a weights/best.pt of `edgecnn train`"
        ) from error
    if not isinstance(content, dict) or "edgecnn_checkpoint" not in content:
        raise CheckpointError(
            f"{path}: a torch file, but no checkpoint of EdgeCNN; give a weights/best.pt of `edgecnn train`"
        )
    if content["edgecnn_checkpoint"] not in (FORMAT, _PRUNED_FORMAT):
        raise CheckpointError(
            f"{path}: checkpoint format {content['edgecnn_checkpoint']}, this program reads {FORMAT} and "
            f"{_PRUNED_FORMAT}; update EdgeCNN or train again"
        )
    try:
        return Checkpoint(
            model=content["model"],
            manifest=Manifest.from_json(content["manifest"]),
            record=SplitRecord.from_json(content["split"]),
            weights=_intact(content, path, "weights"),
            unknown=_intact(content, path, "unknown") if "unknown" in content else {},  # older checkpoints have none
            classes=content.get("classes"),  # older checkpoints have none
            widths=None if content.get("widths") is None else Widths.from_json(content["widths"]),
            progressed=_progressed(content["progressed"]),
        )
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, ManifestError) as error:
        raise CheckpointError(f"{path}: a broken checkpoint ({error}); train again") from error


def _progressed(found: dict[str, Any] | None) -> Progressed | None:
    return (
        None
        if found is None
        else Progressed(**{**found, "history": tuple(EpochRow(**row) for row in found["history"])})
    )


def _intact(content: dict[str, Any], path: Path, key: str) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = content[key]
    if _digest(tensors) != content[f"{key}_sha256"]:
        raise CheckpointError(
            f"{path}: its weights are not those that were written: the file is damaged; take another, or train again"
        )
    return tensors


def _digest(weights: Any) -> str:
    """Of names, shapes and values: torch reads tensors without looking whether they are whole."""
    found = hashlib.sha256()
    for name, tensor in weights.items():
        found.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.numpy().tobytes())
    return found.hexdigest()
