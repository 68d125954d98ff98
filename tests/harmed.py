"""A network that eight bits harm in one place.

One channel a hundred thousand times as large as its neighbours, which the next layer does not look at.

That layer has two groups, which equalization leaves alone; else it would heal part of the harm.
"""

from __future__ import annotations

from pathlib import Path

import torch
from shapes import CLASSES, write_shapes
from torch import Tensor, nn

from edgecnn.data.dataset import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.tensors import normalize
from exporters import export_onnx

STEPS = 250


class SixConvolutions(ImageClassifier):
    """A chain, on 32 x 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [3, 16, 16, 16, 16, 32, 32]
        layers = [
            layer
            for i in range(6)
            for layer in (
                nn.Conv2d(sizes[i], sizes[i + 1], 3, 2 if i in (0, 2, 4) else 1, 1, groups=2 if i == 3 else 1),
                nn.ReLU(),
            )
        ]
        self.layers = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.classifier = nn.Linear(32, 2)

    def features(self, images: Tensor) -> Tensor:
        """Float [N, 3, 32, 32] -> [N, 32]."""
        return self.layers(images)


def write_harmed_model(path: Path, data: Path) -> Path:
    """Trains it on shapes, blows one channel up between the third and the fourth convolution, exports it.

    Returns ``path``.
    """
    manifest = Manifest(
        CLASSES,
        InputSpec(32, 32),
        PreprocessSpec(),
        Normalization(128, 128.0),
        UnknownRule(),
        TrainingRecord("six", "", "", None, 0),
        "a test",
    )
    network = _trained(write_shapes(data, 60), manifest)
    third = network.layers[4]
    with torch.no_grad():
        third.weight[0] *= 100_000
        third.bias[0] *= 100_000
    export_onnx(network, path, manifest=manifest)
    return path


def _trained(data: Path, manifest: Manifest) -> SixConvolutions:
    torch.manual_seed(1)
    files = scan_folder(data).images
    batch = next(iter(fitted_batches([f.path for f in files], manifest, len(files))))
    images = normalize(batch.images, manifest.normalization, torch.device("cpu"))
    labels = torch.tensor([CLASSES.index(f.class_name) for f in files])
    network = SixConvolutions()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with (
            torch.no_grad()
        ):  # learnt without the channel that is blown up later: that changes no float answer, however the training went
            network.layers[6].weight[:8, 0] = 0  # of the first group
    assert float((network(images).argmax(1) == labels).float().mean()) > 0.95
    return network.eval()
