"""Batches of images from files, read ahead."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecnn.data.loading import default_workers, fitted_batches
from edgecnn.manifest import InputSpec, Manifest, Normalization, PreprocessSpec, TrainingRecord, UnknownRule
from edgecnn.preprocess import preprocess

MANIFEST = Manifest(
    labels=("a", "b"),
    input=InputSpec(16, 24),
    preprocess=PreprocessSpec("letterbox"),
    normalization=Normalization(),
    unknown=UnknownRule(),
    training=TrainingRecord("m", "r", "0", None, None),
    created_by="test",
)
COUNT = 11


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eleven images of eleven sizes."""
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"{i}.png" for i in range(COUNT)]
    for i, path in enumerate(paths):
        cv2.imwrite(str(path), np.random.default_rng(i).integers(0, 256, (10 + 7 * i, 30 + i, 3)).astype(np.uint8))
    return paths


@pytest.mark.parametrize("batch", [1, 4, 11, 50])
@pytest.mark.parametrize("workers", [1, 3, None])
def test_every_image_comes_once_in_order_as_preprocess_gives_it(
    images: list[Path], batch: int, workers: int | None
) -> None:
    batches = list(fitted_batches(images, MANIFEST, batch, workers))
    assert [i for b in batches for i in b.indices] == list(range(COUNT))
    assert [len(b.indices) for b in batches[:-1]] == [batch] * (len(batches) - 1)
    expected = np.stack([preprocess(path, MANIFEST.input, MANIFEST.preprocess) for path in images])
    assert np.array_equal(np.concatenate([b.images for b in batches]), expected)
    assert not any(b.skipped for b in batches)


def test_what_cannot_be_read_is_named_with_its_reason_and_the_rest_comes(images: list[Path], tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.png", tmp_path / "missing.png"
    broken.write_bytes(images[0].read_bytes()[:60])
    found = list(fitted_batches([images[0], broken, images[1], missing, tmp_path], MANIFEST, 2))
    assert [b.indices for b in found] == [(0,), (2,), ()]
    assert [s.path for b in found for s in b.skipped] == [str(broken), str(missing), str(tmp_path)]
    reasons = [s.reason for b in found for s in b.skipped]
    assert "truncated" in reasons[0]
    assert "no such file" in reasons[1]
    assert not any(str(tmp_path) in reason for reason in reasons)


def test_a_batch_in_which_nothing_can_be_read_is_empty_in_the_models_size(tmp_path: Path) -> None:
    (found,) = fitted_batches([tmp_path / "nowhere.png"], MANIFEST, 4)
    assert found.images.shape == (0, 16, 24, 3)
    assert found.images.dtype == np.uint8
    assert len(found.skipped) == 1


def test_no_images_give_no_batches() -> None:
    assert list(fitted_batches([], MANIFEST, 4)) == []


def test_no_more_than_one_batch_is_read_ahead(tmp_path: Path, images: list[Path]) -> None:
    """Later images may still be written: they are looked at only when their batch is next but one."""
    late = [tmp_path / f"{i}.png" for i in range(6)]
    for path in late[:4]:
        path.write_bytes(images[0].read_bytes())
    batches = fitted_batches(late, MANIFEST, 2, workers=1)
    assert not next(batches).skipped
    for path in late[4:]:
        path.write_bytes(images[0].read_bytes())
    assert not any(b.skipped for b in batches)


def test_stopping_early_leaves_no_threads(images: list[Path]) -> None:
    before = threading.active_count()
    batches = fitted_batches(images, MANIFEST, 2, workers=2)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_there_is_at_least_one_worker_and_at_most_eight() -> None:
    assert 1 <= default_workers() <= 8
