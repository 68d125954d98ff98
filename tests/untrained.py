"""Built-in networks that nobody trained, and their shared model files (fixtures `float_file` and `float_model`)."""

from __future__ import annotations

import torch

from edgecnn.manifest import InputSpec, Manifest, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.training.models.registry import MODELS
from edgecnn.training.torch_backend import TorchBackend

__all__ = ["SIZES", "shared_backend", "untrained"]

_SIDES = {  # pixels; others than 48
    "resnet8": 40,
    "efficientnet_lite0": 64,
    "mobilenetv2": 36,
    "mobilenetv3_small": 40,
}
_WIDER = ("efficientnet_lite1", "efficientnet_lite2")  # Lite0 with more channels and layers
SIZES = {name: _SIDES.get(name, 48) for name in MODELS if name not in _WIDER}
"""Sides of the images of the shared files, in pixels: every built-in network, a new one too."""
_LABELS = {"threeconv": ("a", "b"), "mobilenetv2": ("circle", "square")}


def shared_backend(name: str) -> TorchBackend:
    """The network of the shared file of that name."""
    return untrained(name, SIZES[name], _LABELS.get(name, ("a", "b", "c")))


def untrained(name: str, imgsz: int, labels: tuple[str, ...] = ("a", "b", "c")) -> TorchBackend:
    """A network that nobody trained, with activations as large as a trained one's."""
    torch.manual_seed(0)
    spec = MODELS[name]
    manifest = Manifest(
        labels=labels,
        input=InputSpec(imgsz, imgsz),
        preprocess=PreprocessSpec(),
        normalization=spec.normalization,
        unknown=UnknownRule(),
        training=TrainingRecord(name, "test", "", None, 0),
        created_by="test",
        temperature=1.7,
    )
    network = spec.build(len(labels), imgsz)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0  # the statistics of the images below: activations as large as a trained network's
        elif isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(
                module.weight, std=3 * module.in_features**-0.5
            )  # answers that differ from image to image
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear) and module.bias is not None:
            torch.nn.init.normal_(module.bias, std=0.1)  # equal tensors would be stored once
    with torch.no_grad():
        network.train()(torch.rand(8, 3, imgsz, imgsz) * 2 - 1)
    return TorchBackend(network, manifest)
