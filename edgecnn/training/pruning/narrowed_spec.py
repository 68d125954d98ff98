"""A built-in network with the widths of a pruned one."""

from __future__ import annotations

from dataclasses import replace

from edgecnn.image_size import ImageSize
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.registry import ModelSpec
from edgecnn.training.pruning.narrow import narrow
from edgecnn.training.pruning.widths import Widths

__all__ = ["narrowed"]


def narrowed(spec: ModelSpec, widths: Widths | None) -> ModelSpec:
    """The network of ``spec`` with these widths; ``spec`` itself where there are none.

    ``build`` of the result gives an untrained network. It raises :class:`UsageError` where the widths do not fit.
    """
    if widths is None:
        return spec

    def build(classes: int, imgsz: ImageSize) -> ImageClassifier:
        return narrow(spec.build(classes, imgsz), widths)

    return replace(spec, build=build, size=None, weights=None, published=None, widths=widths)
