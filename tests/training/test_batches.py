"""Batches: each picture once an epoch, in an order that seed and epoch alone decide."""

from __future__ import annotations

import numpy as np

from edgecnn.training.augment import AUGMENTATIONS
from edgecnn.training.batches import TrainingBatch, training_batches


def _epoch(count: int = 22, batch: int = 8, seed: int = 0, epoch: int = 0, augmentation: str = "light") -> list[TrainingBatch]:
    pictures = np.random.default_rng(9).integers(0, 256, (count, 20, 20, 3)).astype(np.uint8)
    return list(training_batches(pictures, [i % 3 for i in range(count)], 16, batch, AUGMENTATIONS[augmentation], seed, epoch))


def _order(batches: list[TrainingBatch]) -> list[int]:
    return [int(i) for batch in batches for i in batch.indices]


def test_an_epoch_shows_each_picture_once_with_its_label() -> None:
    batches = _epoch()
    assert [len(b.images) for b in batches] == [8, 8, 6]
    assert sorted(_order(batches)) == list(range(22))
    for batch in batches:
        assert batch.images.shape[1:] == (16, 16, 3)
        assert batch.labels.tolist() == [int(i) % 3 for i in batch.indices]


def test_the_pictures_of_a_batch_are_those_its_indices_name() -> None:
    pictures = np.zeros((22, 16, 16, 3), np.uint8) + np.arange(22, dtype=np.uint8)[:, None, None, None]
    for batch in training_batches(pictures, [0] * 22, 16, 5, AUGMENTATIONS["none"], 0, 0):
        assert batch.images[:, 0, 0, 0].tolist() == batch.indices.tolist()


def test_the_same_seed_and_epoch_give_the_same_batches() -> None:
    for a, b in zip(_epoch(seed=4, epoch=2), _epoch(seed=4, epoch=2), strict=True):
        assert np.array_equal(a.images, b.images)
        assert np.array_equal(a.indices, b.indices)


def test_another_epoch_or_seed_gives_another_order_and_other_augmentation() -> None:
    orders = {tuple(_order(_epoch(seed=seed, epoch=epoch))) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, -1))}
    assert len(orders) == 4
    views = []
    for epoch in (0, 1):
        batches = _epoch(epoch=epoch)
        views.append({int(i): image for b in batches for i, image in zip(b.indices, b.images, strict=True)})
    assert sum(np.array_equal(views[0][i], views[1][i]) for i in range(22)) == 0


def test_a_pictures_augmentation_does_not_depend_on_the_size_of_the_batch() -> None:
    views = [{int(i): image for b in _epoch(batch=batch) for i, image in zip(b.indices, b.images, strict=True)} for batch in (8, 11)]
    assert all(np.array_equal(views[0][i], views[1][i]) for i in range(22))


def test_a_last_batch_of_one_picture_is_left_out_but_never_the_only_batch() -> None:
    assert [len(b.images) for b in _epoch(count=17)] == [8, 8]
    assert [len(b.images) for b in _epoch(count=1)] == [1]


def test_batches_of_one_picture_lose_none() -> None:
    assert sorted(_order(_epoch(count=6, batch=1))) == list(range(6))
