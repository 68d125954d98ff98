"""A cheap guess at the accuracy of a network at an image size: a linear classifier on features of its pretrained
weights, in cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from edgecnn.data.loading import fitted_batches
from edgecnn.features.linear_head import HeadExamples, LinearHead
from edgecnn.preprocess import Image
from edgecnn.progress import Progress
from edgecnn.teaching.validation.cross_validation import cross_validate
from edgecnn.teaching.validation.folded_images import FoldedImages
from edgecnn.teaching.validation.folds import assign_folds
from edgecnn.training.answers.answering import Answering
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import own_manifest
from edgecnn.training.models.registry import ModelSpec, find_model
from edgecnn.training.models.weights import load_pretrained
from edgecnn.training.optim.precision import mixed_precision
from edgecnn.training.tensors import normalize

__all__ = ["Probed", "ProbedImages", "build_pretrained", "probe", "read_probed_images"]

_MOST_IMAGES = 1000
_BATCH = 32


@dataclass(frozen=True)
class Probed:
    """Errors in cross-validation."""

    errors: int
    images: int


@dataclass(frozen=True, eq=False)
class ProbedImages:
    """Training images at a network's own size."""

    images: Image  # uint8 [N, H, W, 3]
    truth: NDArray[np.intp]  # [N]


def read_probed_images(paths: Sequence[Path], truth: Sequence[int], spec: ModelSpec, max_pixels: int) -> ProbedImages:
    """Reads at most a thousand of the training images, evenly over the list."""
    rows = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _MOST_IMAGES)).astype(int))
    manifest = own_manifest(("a", "b"), spec.imgsz, spec.normalization)  # only its preprocessing counts
    images, kept = [], []
    for batch in fitted_batches([paths[i] for i in rows], manifest, _BATCH, max_pixels=max_pixels):
        images.append(batch.images)
        kept += [truth[rows[i]] for i in batch.indices]
    return ProbedImages(np.concatenate(images), np.array(kept, np.intp))


def build_pretrained(model: str) -> ImageClassifier:
    """A built-in network with its pretrained weights, or new ones where it has none."""
    spec = find_model(model)
    if spec.weights is None:
        torch.manual_seed(0)
        return spec.build(2, spec.imgsz)
    network = spec.build(spec.weights.classes, spec.imgsz)
    load_pretrained(network, spec.weights)
    return network


def probe(
    network: ImageClassifier, spec: ModelSpec, side: int, found: ProbedImages, seed: int, progress: Progress
) -> Probed:
    """Cross-validates a linear classifier on features of the network at one image size."""
    features = _features(network, spec, side, found.images, progress)
    classes = int(found.truth.max()) + 1
    folds = assign_folds(found.truth.tolist(), range(len(found.truth)), seed)
    start = LinearHead(np.zeros((classes, features.shape[1])), np.zeros(classes))
    examples = HeadExamples(features, found.truth, np.ones(len(features)))
    folded = FoldedImages(start, np.ones(classes, np.bool_), examples, folds, copies=np.arange(len(folds)))
    logits = cross_validate(folded).logits
    return Probed(int((logits.argmax(1) != found.truth).sum()), len(features))


def _features(
    network: ImageClassifier, spec: ModelSpec, side: int, images: Image, progress: Progress
) -> NDArray[np.float32]:
    answering = Answering(network, mixed=True)
    rows, device = [], torch.device("cpu")
    with torch.inference_mode(), mixed_precision(device):
        for i in range(0, len(images), _BATCH):
            few = images[i : i + _BATCH]
            fitted = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA) for image in few])
            inputs = normalize(fitted, spec.normalization, device)
            rows.append(answering.features(inputs).float().numpy())
            progress(min(i + _BATCH, len(images)), len(images))
    return np.concatenate(rows)
