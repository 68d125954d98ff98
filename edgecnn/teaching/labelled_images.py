"""Reads the images of a labelled folder once, and computes their features and the model's answers to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecnn.data.image_folder import ImageFile, ImageFolder, scan_folder
from edgecnn.data.left_out import LeftOut
from edgecnn.data.loading import Skipped, default_workers
from edgecnn.data.sessions import join_groups, session_keys
from edgecnn.data_quality.image_stats import Fault, ImageStats, read_image_stats
from edgecnn.data_quality.near_duplicates import find_copies
from edgecnn.errors import DataError
from edgecnn.preprocess import Decoded, Image, fit_decoded
from edgecnn.progress import Reporter
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.teaching.thumbnails import encode_thumbnail
from edgecnn.teaching.usable_outputs import NOT_FINITE, usable_rows

__all__ = ["MIN_IMAGES", "LabelledImages", "read_labelled_images"]

MIN_IMAGES = 5
"""Different images that each class needs: with fewer, nothing can be held out to evaluate on."""

_MOST_SCORES = 5_000_000  # images times classes; cross-validation takes 100 bytes for each
_BATCH = 16


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """N readable images with their features."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]  # the class folder of each
    digests: tuple[str, ...]  # SHA-256 of each file
    features: NDArray[np.float32]  # [N, D]
    probabilities: NDArray[np.float32]  # [N, C], of the model as it is
    copies: NDArray[np.intp]  # [N], the group of near-duplicates of each
    groups: NDArray[np.intp]  # [N], the same, joined where images are of one session
    skipped: tuple[Skipped, ...]
    left_out: tuple[LeftOut, ...]
    notes: tuple[str, ...]
    thumbnails: tuple[bytes | None, ...]  # a JPEG of each, where they are wanted

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class folders, sorted."""
        return tuple(sorted(set(self.names)))


def read_labelled_images(
    root: Path,
    session: ModelSession,
    max_pixels: int,
    session_rule: str,
    reporter: Reporter,
    *,
    thumbnails: bool = False,
    workers: int | None = None,
    wanted: Callable[[Path], bool] | None = None,
) -> LabelledImages:
    """Reads a folder of images, one folder a class; of a folder that is split already, ``test`` is left out.

    Args:
        root: the folder.
        session: the model; it gives an embedding.
        max_pixels: images with more are skipped.
        session_rule: see :func:`edgecnn.data.sessions.session_keys`.
        reporter: receives the progress.
        thumbnails: also make a small JPEG of each.
        workers: threads that read; None: one per core.
        wanted: whether an image is used; None: all are.

    Raises:
        InputNotFoundError: no such folder.
        DataError: it has no labels, a class has too few different images, one image has two labels, or there are more
            images and classes than memory for them.
        UsageError: a session rule that cannot be used.
    """
    folder = scan_folder(root)
    if not folder.class_names:
        raise DataError(f"{root}: its images have no labels; put them into one folder per class, like {root / 'cat'}")
    files = _files_to_teach(folder, wanted)
    # A folder without images is a mistake, but not one of a class that only the images of others have
    classes = folder.class_names if wanted is None else sorted({file.class_name or "" for file in files})
    if len(files) * len(classes) > _MOST_SCORES:
        raise DataError(
            f"{root}: {len(files):,} images of {len(classes):,} classes are more than can be taught (images "
            f"times classes: at most {_MOST_SCORES:,}); use fewer, or train a model (docs/training.md)"
        )
    progress = reporter.stage("reading images")
    stats: list[ImageStats] = []
    skipped: list[Skipped] = []
    features, probabilities, small = [], [], []
    for found in _read(files, session, max_pixels, workers or default_workers(), thumbnails=thumbnails):
        skipped += [Skipped(str(fault.file.path), fault.reason) for fault in found.faults]
        stats += found.stats
        small += found.thumbnails
        if found.stats:
            outputs = session.outputs(np.stack(found.images), ("embedding",))
            assert outputs.embedding is not None  # checked by the caller
            features.append(outputs.embedding)
            probabilities.append(outputs.probabilities)
        progress(len(stats) + len(skipped), len(files))
    if not stats:
        raise DataError(f"{root}: none of {len(files)} images can be read; first error: {skipped[0].reason}")
    usable = usable_rows(np.concatenate(features), np.concatenate(probabilities))
    skipped += [Skipped(str(stats[i].file.path), f"{NOT_FINITE} of it") for i in np.nonzero(~usable)[0]]
    kept = [i for i in _without_copies(stats) if usable[i]]
    if not kept:
        raise DataError(f"{root}: {NOT_FINITE} of any of its images; test the model with `edgecnn doctor`")
    stats = [stats[i] for i in kept]
    copies = find_copies([s.digest for s in stats], np.stack([s.thumbnail for s in stats])).groups
    _require_enough(root, classes, stats, copies, skipped)
    groups, notes = _with_sessions(root, stats, copies, session_rule)
    return LabelledImages(
        paths=tuple(s.file.path for s in stats),
        names=tuple(s.file.class_name or "" for s in stats),
        digests=tuple(s.digest for s in stats),
        features=np.concatenate(features)[kept],
        probabilities=np.concatenate(probabilities)[kept],
        copies=np.array(copies, np.intp),
        groups=np.array(groups, np.intp),
        skipped=tuple(skipped),
        left_out=folder.left_out,
        notes=notes,
        thumbnails=tuple(small[i] for i in kept),
    )


def _files_to_teach(folder: ImageFolder, wanted: Callable[[Path], bool] | None) -> list[ImageFile]:
    """Raises :class:`DataError` where there are none."""
    files = [file for file in folder.images if file.split != "test"]
    if not files:
        raise DataError(
            f"{folder.root}: all of its images are in the split 'test', which is kept for evaluation; move those to be "
            f"taught into {folder.root / 'train'}"
        )
    files = [file for file in files if wanted is None or wanted(file.path)]
    if not files:
        raise DataError(f"{folder.root}: no image of it is to be learned; label images first")
    return files


@dataclass(frozen=True)
class _Read:
    stats: list[ImageStats]
    images: list[Image]  # at the model's input size
    thumbnails: list[bytes | None]
    faults: list[Fault]


def _read(
    files: Sequence[ImageFile], session: ModelSession, max_pixels: int, workers: int, *, thumbnails: bool
) -> Iterator[_Read]:
    model = session.manifest.model_input

    def read(file: ImageFile) -> tuple[ImageStats | Fault, Image | None, bytes | None]:
        fitted: list[Image] = []
        small: list[bytes] = []

        def keep(decoded: Decoded) -> None:
            fitted.append(fit_decoded(decoded, model))
            if thumbnails:
                small.append(encode_thumbnail(decoded.image))

        found = read_image_stats(file, keep, max_pixels, model)
        return found, fitted[0] if fitted else None, small[0] if small else None

    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(files), _BATCH):
            found = list(pool.map(read, files[start : start + _BATCH]))
            yield _Read(
                [stats for stats, *_ in found if isinstance(stats, ImageStats)],
                [image for stats, image, _ in found if isinstance(stats, ImageStats) and image is not None],
                [small for stats, _, small in found if isinstance(stats, ImageStats)],
                [stats for stats, *_ in found if isinstance(stats, Fault)],
            )


def _without_copies(stats: Sequence[ImageStats]) -> list[int]:
    """The first of byte-identical images. Raises :class:`DataError` where one image has two labels."""
    first: dict[str, int] = {}
    for i, found in enumerate(stats):
        known = stats[first.setdefault(found.digest, i)].file
        if known.class_name != found.file.class_name:
            raise DataError(
                f"{found.file.path}: the same image lies in '{known.class_name}' too ({known.path}); "
                "remove it from the class that it does not belong to"
            )
    return sorted(first.values())


def _require_enough(
    root: Path,
    classes: Sequence[str],
    stats: Sequence[ImageStats],
    copies: Sequence[int],
    skipped: Sequence[Skipped],
) -> None:
    different: dict[str, set[int]] = {name: set() for name in classes}
    for found, group in zip(stats, copies, strict=True):
        different.setdefault(found.file.class_name or "", set()).add(group)
    for name, groups in sorted(different.items()):
        if len(groups) < MIN_IMAGES:
            unusable = f" ({len(skipped)} images of the folder cannot be used)" if skipped else ""
            raise DataError(
                f"{root}: the class '{name}' has {len(groups)} different image{'s'[: len(groups) != 1]}, "
                f"expected at least {MIN_IMAGES}{unusable}; add images, or remove its folder"
            )


def _with_sessions(
    root: Path, stats: Sequence[ImageStats], copies: Sequence[int], rule: str
) -> tuple[Sequence[int], tuple[str, ...]]:
    """The groups for cross-validation, and what is to be said of them."""
    groups = join_groups(copies, session_keys([s.file for s in stats], root, rule))
    counts: Counter[str] = Counter()
    for name, _ in {(s.file.class_name or "", group) for s, group in zip(stats, groups, strict=True)}:
        counts[name] += 1
    alone = sorted(name for name, count in counts.items() if count < 2)
    if not alone:
        return groups, ()
    note = (
        f"all images of '{alone[0]}' are of one session, so cross-validation cannot keep sessions apart: the figures "
        "hold for the sessions that were labelled"
    )
    return copies, (note,)
