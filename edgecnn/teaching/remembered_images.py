"""What a taught model file remembers of its images."""

from __future__ import annotations

from edgecnn.features.taught_images import TaughtImage, TaughtImages
from edgecnn.teaching.labelled_images import LabelledImages
from edgecnn.teaching.plan import TeachingPlan

__all__ = ["taught_images"]

_DIGITS = 16  # of a hash


def taught_images(plan: TeachingPlan, images: LabelledImages, before: TaughtImages | None) -> TaughtImages | None:
    """The record of the labelled images, with those of an earlier ``teach``; None: features are not finite,
    or too many.

    Args:
        plan: the classes.
        images: the labelled images.
        before: the record of the model as it was; None: it has none, or its classes are replaced.
    """
    named = [
        TaughtImage(plan.labels[plan.places[name]], path.name, digest[:_DIGITS], thumbnail)
        for name, path, digest, thumbnail in zip(
            images.names, images.paths, images.digests, images.thumbnails, strict=True
        )
    ]
    taught = TaughtImages.of(named, images.features)
    return taught if before is None or taught is None else before.merged(taught)
