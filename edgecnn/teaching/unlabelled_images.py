"""Reads images that have no label, and says which of them to label next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.image_folder import find_images, require_folder
from edgecnn.data.loading import Skipped, fitted_batches
from edgecnn.errors import DataError
from edgecnn.progress import Reporter
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.teaching.label_next import Candidates, choose_next
from edgecnn.teaching.result import LabelNext
from edgecnn.teaching.usable_outputs import NOT_FINITE, usable_rows

__all__ = ["EmbeddedImages", "UnlabelledImage", "embed_images", "find_unlabelled", "rank_images"]

_BATCH = 16


@dataclass(frozen=True)
class UnlabelledImage:
    """An image file, and where it comes from."""

    path: Path
    source: str  # a camera's view, or the folder that it lies in


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """N readable images."""

    images: tuple[UnlabelledImage, ...]
    features: NDArray[np.float32]  # [N, D]; [0, 0] without any
    probabilities: NDArray[np.float32]  # [N, C], of the model as it is; [0, 0] without any
    skipped: tuple[Skipped, ...]


def find_unlabelled(root: Path) -> tuple[UnlabelledImage, ...]:
    """Every image below a folder; each folder in it counts as a source.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it holds no image.
    """
    found = find_images(require_folder(root))
    if not found:
        raise DataError(f"{root}: contains no images; name the folder of the images without labels")
    return tuple(UnlabelledImage(path, path.parent.name) for path in found)


def embed_images(
    images: Sequence[UnlabelledImage], session: ModelSession, max_pixels: int, workers: int | None, reporter: Reporter
) -> EmbeddedImages:
    """Computes features and answers.

    Args:
        images: the files; those that cannot be read, or that the model computes no finite features of, are skipped.
        session: the model; it gives an embedding.
        max_pixels: images with more are skipped.
        workers: threads that read; None: one per core.
        reporter: receives the progress.
    """
    progress = reporter.stage("reading unlabelled images")
    read: list[int] = []
    skipped: list[Skipped] = []
    features: list[NDArray[np.float32]] = []
    probabilities: list[NDArray[np.float32]] = []
    for batch in fitted_batches([image.path for image in images], session.manifest, _BATCH, workers, max_pixels):
        skipped += batch.skipped
        if batch.indices:
            outputs = session.outputs(batch.images, ("embedding",))
            assert outputs.embedding is not None  # checked by the caller
            usable = usable_rows(outputs.embedding, outputs.probabilities)
            for i, good in zip(batch.indices, usable, strict=True):
                if good:
                    read.append(i)
                else:
                    skipped.append(Skipped(str(images[i].path), f"{NOT_FINITE} of it"))
            features.append(outputs.embedding[usable])
            probabilities.append(outputs.probabilities[usable])
        progress(len(read) + len(skipped), len(images))
    if not read:
        nothing = np.zeros((0, 0), np.float32)
        return EmbeddedImages((), nothing, nothing, tuple(skipped))
    return EmbeddedImages(
        tuple(images[i] for i in read), np.concatenate(features), np.concatenate(probabilities), tuple(skipped)
    )


def rank_images(
    found: EmbeddedImages,
    probabilities: NDArray[np.floating],
    labels: Sequence[str],
    labelled: NDArray[np.floating],
    count: int,
) -> tuple[LabelNext, ...]:
    """The images to label next, the most useful first.

    Args:
        found: the unlabelled images.
        probabilities: of the newest classifier for each, ``[N, C]``.
        labels: its C classes.
        labelled: features of images that have a label, ``[M, D]``; M may be 0.
        count: how many are wanted at most.
    """
    candidates = Candidates(found.features, probabilities, [image.source for image in found.images])
    return tuple(
        LabelNext(str(found.images[chosen.index].path), labels[chosen.guess], chosen.score, chosen.reason)
        for chosen in choose_next(candidates, labelled, count)
    )
