"""Batches: each image once an epoch, in an order that seed and epoch alone decide."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.preprocess import Image
from edgecnn.training.data.augment import AUGMENTATIONS
from edgecnn.training.data.loader import TrainingBatch, training_batches
from edgecnn.training.data.soft_labels import TrainingSet
from edgecnn.training.optim.distributed import World


def _set(pixels: Image, labels: list[int]) -> TrainingSet:
    truth = np.array(labels)
    return TrainingSet(pixels, truth, np.eye(3, dtype=np.float32)[truth], np.ones(len(labels), np.float32))


def _epoch(
    count: int = 22, batch: int = 8, seed: int = 0, epoch: int = 0, augmentation: str = "light"
) -> list[TrainingBatch]:
    images = np.random.default_rng(9).integers(0, 256, (count, 20, 20, 3)).astype(np.uint8)
    return list(
        training_batches(
            _set(images, [i % 3 for i in range(count)]), 16, batch, AUGMENTATIONS[augmentation], seed, epoch
        )
    )


def _order(batches: list[TrainingBatch]) -> list[int]:
    return [int(i) for batch in batches for i in batch.indices]


def test_an_epoch_shows_each_image_once_with_its_label() -> None:
    batches = _epoch()
    assert [len(b.images) for b in batches] == [8, 8, 6]
    assert sorted(_order(batches)) == list(range(22))
    for batch in batches:
        assert batch.images.shape[1:] == (16, 16, 3)
        assert batch.targets.argmax(1).tolist() == [int(i) % 3 for i in batch.indices]


def test_the_images_of_a_batch_are_those_its_indices_name() -> None:
    images = np.zeros((22, 16, 16, 3), np.uint8) + np.arange(22, dtype=np.uint8)[:, None, None, None]
    for batch in training_batches(_set(images, [0] * 22), 16, 5, AUGMENTATIONS["none"], 0, 0):
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


def test_an_images_augmentation_does_not_depend_on_the_size_of_the_batch() -> None:
    views = [
        {int(i): image for b in _epoch(batch=batch) for i, image in zip(b.indices, b.images, strict=True)}
        for batch in (8, 11)
    ]
    assert all(np.array_equal(views[0][i], views[1][i]) for i in range(22))


def test_a_last_batch_of_one_image_is_left_out_but_never_the_only_batch() -> None:
    assert [len(b.images) for b in _epoch(count=17)] == [8, 8]
    assert [len(b.images) for b in _epoch(count=1)] == [1]


def test_batches_of_one_image_lose_none() -> None:
    assert sorted(_order(_epoch(count=6, batch=1))) == list(range(6))


def test_an_epoch_begun_in_the_middle_goes_on_as_the_whole_one_did() -> None:
    images = _set(
        np.random.default_rng(9).integers(0, 256, (22, 20, 20, 3)).astype(np.uint8), [i % 3 for i in range(22)]
    )
    for rule in (AUGMENTATIONS["light"], AUGMENTATIONS["strong"]):
        whole = list(training_batches(images, 16, 5, rule, 0, 3))
        rest = list(training_batches(images, 16, 5, rule, 0, 3, first=2))
        assert len(rest) == len(whole) - 2
        for a, b in zip(whole[2:], rest, strict=True):
            assert np.array_equal(a.images, b.images)
            assert np.array_equal(a.targets, b.targets)


def test_processes_share_each_step_and_together_see_what_one_alone_would() -> None:
    images = _set(
        np.random.default_rng(9).integers(0, 256, (22, 20, 20, 3)).astype(np.uint8), [i % 3 for i in range(22)]
    )
    alone = list(training_batches(images, 16, 8, AUGMENTATIONS["light"], 0, 0))
    parts = [
        list(training_batches(images, 16, 8, AUGMENTATIONS["light"], 0, 0, world=World(rank, 2))) for rank in (0, 1)
    ]
    for whole, first, second in zip(alone, *parts, strict=True):
        assert first.whole == second.whole == whole.whole == len(first.images) + len(second.images)
        assert np.array_equal(whole.images[0::2], first.images)
        assert np.array_equal(whole.images[1::2], second.images)


def test_any_number_of_threads_makes_the_same_batches() -> None:
    images = _set(
        np.random.default_rng(9).integers(0, 256, (22, 20, 20, 3)).astype(np.uint8), [i % 3 for i in range(22)]
    )
    found = [
        np.concatenate([b.images for b in training_batches(images, 16, 8, AUGMENTATIONS["strong"], 0, 0, workers=n)])
        for n in (1, 3)
    ]
    assert np.array_equal(*found)


def test_drawing_by_chance_shows_each_class_alike() -> None:
    labels = np.array([0] * 300 + [1] * 20)
    share = 1 / (np.bincount(labels)[labels] * 2)
    rare = TrainingSet(
        np.zeros((320, 1, 1, 3), np.uint8), labels, np.eye(2, dtype=np.float32)[labels], np.ones(320, np.float32), share
    )
    assert 0.4 < labels[rare.order(np.random.default_rng(0))].mean() < 0.6


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("count", range(12, 25))
def test_no_process_gets_one_image_of_a_last_batch(count: int, processes: int) -> None:
    """Batch normalization cannot estimate from it; the images left out are fewer than two a process."""
    pixels = np.zeros((count, 8, 8, 3), np.uint8)
    seen = 0
    for rank in range(processes):
        world = World(rank, processes)
        batches = list(
            training_batches(_set(pixels, [0] * count), 8, 6, AUGMENTATIONS["none"], seed=0, epoch=0, world=world)
        )
        assert all(len(batch.images) >= 2 for batch in batches)
        seen += len(_order(batches))
    assert count - seen < 2 * processes
