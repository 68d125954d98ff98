"""Progressive image size: the first epochs of a run on smaller images, where a time budget does not suffice otherwise.

A convolution takes time for every pixel, and most of what a network has to learn shows on smaller images too. The last
epochs have the size of the images that the network will see: activations of one trained at another size fit those of
this one less (Touvron et al., "Fixing the train-test resolution discrepancy", arXiv 1906.06423). Growing images
shortened training in fast.ai's entries to DAWNBench (2018) and in EfficientNetV2 (Tan and Le, arXiv 2104.00298).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn.image_size import ImageSize, height_width

__all__ = ["ENOUGH", "EpochPlan", "plan_sizes", "smaller_size"]

ENOUGH = 4
"""Epochs that smaller images are to make possible: a fifth one of smaller images did not help (docs/benchmarks.md)."""

_SHARE = 4 / 7  # of each side: 128 of 224 pixels, a third of the area
_STRIDE = 32  # pixels of a side to one place of the last map: what is no multiple of it is padded
_LEAST_SIDE = 96  # pixels; what smaller images are worth was not measured


@dataclass(frozen=True)
class EpochPlan:
    """How many epochs a run has, and how many of them come first on smaller images."""

    epochs: int
    small: int = 0


def smaller_size(size: ImageSize) -> ImageSize | None:
    """Size of the images of small epochs, in pixels; None where they would be too small."""
    height, width = (round(side * _SHARE / _STRIDE) * _STRIDE for side in height_width(size))
    if min(height, width) < _LEAST_SIDE:
        return None
    return height if height == width else (height, width)


def plan_sizes(wanted: int, left_s: float, full_s: float, small_s: float) -> EpochPlan:
    """The plan for a time that does not suffice for the wanted epochs at the full size.

    As many epochs as wanted if they fit, and of these as many at the full size as then fit, but at least one.

    Args:
        wanted: epochs, at least 1.
        left_s: for all epochs.
        full_s: what one takes at the full size.
        small_s: what one takes on smaller images.
    """
    at_full_size = int(left_s / full_s)
    if at_full_size < 1 or small_s >= full_s:
        return EpochPlan(at_full_size)
    full = max(1, int((left_s - wanted * small_s) / (full_s - small_s)))
    small = max(0, min(wanted - full, int((left_s - full * full_s) / small_s)))
    return EpochPlan(full + small, small) if full + small > at_full_size else EpochPlan(at_full_size)
