"""The built-in networks with what each costs and what is published of it: the table that helps to choose one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from edgecnn.image_size import height_width
from edgecnn.manifest import Normalization
from edgecnn.training.models.registry import MODELS, ModelSpec

__all__ = ["ModelRow", "model_table"]


@dataclass(frozen=True)
class ModelRow:
    """One network; sizes at `classes` classes and at its own image size."""

    name: str
    classes: int  # as published
    parameters: int  # trained ones: running statistics not counted
    macs: int  # multiply-accumulates of convolutions and linear layers, for one image
    imgsz: int  # pixels
    normalization: Normalization
    weights_package: str | None  # that ships pretrained weights; None: trained from scratch alone
    weights_trained_on: str | None
    weights_installed: bool
    published_top1: float | None  # a fraction
    published_on: str | None  # data set of `published_top1`
    source: str | None


def model_table() -> tuple[ModelRow, ...]:
    """One row a built-in network, in the registry's order; builds no network."""
    return tuple(_row(spec) for spec in MODELS.values())


def _row(spec: ModelSpec) -> ModelRow:
    published, weights = spec.published, spec.weights
    assert spec.size is not None, spec.name
    classes = published.classes if published else 1000
    return ModelRow(
        name=spec.name,
        classes=classes,
        parameters=spec.size.parameters,
        macs=spec.size.macs,
        imgsz=height_width(spec.imgsz)[0],  # all of them take squares
        normalization=spec.normalization,
        weights_package=weights.package if weights else None,
        weights_trained_on=weights.trained_on if weights else None,
        weights_installed=weights is not None and find_spec(weights.module) is not None,
        published_top1=published.top1 if published else None,
        published_on=published.evaluated_on or None if published else None,
        source=published.source if published else None,
    )
