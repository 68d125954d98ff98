"""Makes tests/models/tiny.onnx and tiny.int8.onnx, which the torch-free tests run: `python tests/make_tiny_models.py`.

A network of two convolutions that tells circles from squares on 32 x 32 pixels, small enough to be committed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from shapes import CLASSES, write_shapes
from torch import Tensor, nn

from edgecnn._version import __version__
from edgecnn.data.dataset import scan_folder
from edgecnn.data.loading import fitted_batches
from edgecnn.data.split_record import SplitRecord
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.tensors import normalize
from edgecnn.training.torch_backend import TorchBackend
from exporters import QuantizeOptions, export_onnx, quantize

MODELS = Path(__file__).parent / "models"
STEPS = 300


class TinyNet(ImageClassifier):
    """Two strided convolutions, a global average, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(32, 2)

    def features(self, images: Tensor) -> Tensor:
        """Float [N, 3, H, W] -> [N, 32]."""
        return self.layers(images)


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    manifest = Manifest(
        labels=CLASSES,
        input=InputSpec(32, 32),
        preprocess=PreprocessSpec(pad_value=128),
        normalization=Normalization(128, 128.0),
        unknown=UnknownRule(threshold=0.5, false_reject_rate=0.0),
        training=TrainingRecord("tiny", "make_tiny_models", "", None, 0),
        created_by=f"edgecnn {__version__}",
        temperature=1.5,
    )
    with tempfile.TemporaryDirectory() as folder:
        data = write_shapes(Path(folder), 200)
        network = train(scan_folder(data), manifest)
        export_onnx(TorchBackend(network, manifest, SplitRecord.of({})), MODELS / "tiny.onnx")
        options = QuantizeOptions(method="minmax", samples=100, max_drop=1.0, min_speedup=0.0)
        print(quantize(MODELS / "tiny.onnx", data, MODELS / "tiny.int8.onnx", options))


def train(folder, manifest: Manifest) -> TinyNet:
    batch = next(iter(fitted_batches([p.path for p in folder.images], manifest, len(folder.images))))
    images = normalize(batch.images, manifest.normalization, torch.device("cpu"))
    labels = torch.tensor([CLASSES.index(p.class_name) for p in folder.images])
    network = TinyNet()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(STEPS):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"training loss {loss.item():.3f}")
    return network.eval()


if __name__ == "__main__":
    main()
