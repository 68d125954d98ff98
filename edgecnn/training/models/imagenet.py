"""Built-in networks with the weights and the thousand classes of ImageNet, ready to export."""

from __future__ import annotations

import csv
from importlib.resources import files

from edgecnn._version import __version__
from edgecnn.errors import UsageError
from edgecnn.image_size import height_width
from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.registry import find_model
from edgecnn.training.models.weights import load_pretrained
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["imagenet_classes", "pretrained_imagenet"]

CROP_PADDING = 32  # pixels that the weights' own evaluation cuts off: 224 of 256, 240 of 272, 260 of 292


def imagenet_classes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """WordNet ids and names of the 1,000 classes of ImageNet-1k, in order; two names occur twice, no id does."""
    with files("edgecnn.training.models").joinpath("imagenet_classes.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(row["id"] for row in rows), tuple(row["name"] for row in rows)


def pretrained_imagenet(name: str) -> TorchBackend:
    """A built-in network with its ImageNet weights.

    Raises:
        UsageError: unknown network, or a network without ImageNet weights.
        MissingExtraError, CheckpointError: the weights are not available.
    """
    spec = find_model(name)
    if spec.weights is None:
        raise UsageError(f"{name}: no ImageNet weights for this network; train it, or choose another network")
    network = spec.build(spec.weights.classes, spec.imgsz)
    side, _ = height_width(spec.imgsz)  # all of them take squares
    load_pretrained(network, spec.weights)
    ids, labels = imagenet_classes()
    manifest = Manifest(
        labels=labels,
        ids=ids,
        input=InputSpec(side, side),
        preprocess=PreprocessSpec("crop", "area", side / (side + CROP_PADDING), decode="scaled"),
        normalization=spec.normalization,
        unknown=UnknownRule(),
        training=TrainingRecord(model=name, run=spec.weights.package, data_sha256="", val_top1=None, seed=None),
        created_by=f"edgecnn {__version__}",
    )
    return TorchBackend(network, manifest, None, name)
