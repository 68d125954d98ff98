"""Batches of clips: padding is never learned, and a resumed run sees the same clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgecnn.manifest import Normalization
from edgecnn.training.models.registry import find_model
from edgecnn.training.temporal.clip_batches import ClipBatch, clip_batch, training_clip_batches
from edgecnn.training.temporal.clip_data import ClipSample
from edgecnn.training.temporal.clip_learner import clip_embeddings, clip_losses
from edgecnn.training.temporal.frame_labels import UNLABELLED
from edgecnn.training.temporal.network import ClipClassifier, embedding_shape
from edgecnn.training.temporal.step_store import StepStore

SIDE, CPU = 16, torch.device("cpu")


@pytest.fixture
def samples(tmp_path: Path) -> tuple[StepStore, list[ClipSample]]:
    store, random, found = StepStore(tmp_path, (SIDE, SIDE, 3), np.uint8), np.random.default_rng(0), []
    for i in range(20):
        steps = 3 + i % 5
        first = store.append(random.integers(0, 256, (steps, SIDE, SIDE, 3), np.uint8))
        labels = np.full(steps, UNLABELLED, np.int64)
        labels[-1] = i % 2
        found.append(
            ClipSample(
                path=tmp_path, label=i % 2, split="train", digest="", first=first, steps=steps, step_labels=labels
            )
        )
    return store, found


def small_network() -> ClipClassifier:
    torch.manual_seed(0)
    backbone = find_model("resnet8").build(2, SIDE)
    return ClipClassifier(backbone, embedding_shape(backbone, (SIDE, SIDE)), "gru", 2, hidden=8).eval()


def logits(batch: ClipBatch) -> torch.Tensor:
    with torch.no_grad():
        network = small_network()
        return network.at_every_step(clip_embeddings(network, batch, Normalization(), CPU))


def test_an_epoch_has_every_clip_once_in_an_order_of_its_own(samples: tuple[StepStore, list[ClipSample]]) -> None:
    store, clips = samples
    orders = []
    for epoch in (0, 1):
        batches = list(training_clip_batches(store, clips, 3, seed=1, epoch=epoch))
        orders.append([i for batch in batches for i in batch.indices])
        assert sorted(orders[-1]) == list(range(20))
    assert orders[0] != orders[1]


def test_a_resumed_epoch_goes_on_with_the_same_clips(samples: tuple[StepStore, list[ClipSample]]) -> None:
    store, clips = samples
    whole = list(training_clip_batches(store, clips, 3, seed=1, epoch=4))
    rest = list(training_clip_batches(store, clips, 3, seed=1, epoch=4, first=2))
    assert len(rest) == len(whole) - 2
    for one, other in zip(whole[2:], rest, strict=True):
        assert (one.steps == other.steps).all()
        assert (one.targets == other.targets).all()


def test_a_window_is_a_part_of_the_clip_with_its_labels(tmp_path: Path) -> None:
    """Each epoch shows another part, of a third to two thirds; its first step has seen no change to learn from."""
    store = StepStore(tmp_path, (2,), "f4")
    numbered = np.stack([np.arange(30), np.zeros(30)], 1).astype(np.float32)
    labels = np.arange(30) // 10  # of three spans
    clip = ClipSample(
        path=tmp_path, label=2, split="train", digest="", first=store.append(numbered), steps=30, step_labels=labels
    )
    seen = set()
    for epoch in range(40):
        (batch,) = training_clip_batches(store, [clip], 3, seed=1, epoch=epoch, windows=True)
        steps = batch.steps[0, :, 0]
        assert 10 <= len(steps) == batch.lengths[0] <= 20
        assert (np.diff(steps) == 1).all()
        assert batch.targets[0, 0] == UNLABELLED
        assert (batch.targets[0, 1:] == steps[1:] // 10).all()
        seen |= set(steps.tolist())
    assert seen == set(range(30))
    assert (labels == np.arange(30) // 10).all(), "the clip's own labels stay"


@pytest.mark.parametrize("steps", [1, 2, 6])
def test_a_short_clip_is_its_own_window(steps: int, tmp_path: Path) -> None:
    store = StepStore(tmp_path, (2,), "f4")
    first = store.append(np.ones((steps, 2), np.float32))
    clip = ClipSample(
        path=tmp_path, label=1, split="train", digest="", first=first, steps=steps, step_labels=np.ones(steps, np.int64)
    )
    (batch,) = training_clip_batches(store, [clip], 1, seed=0, epoch=0, windows=True)
    assert batch.lengths.tolist() == [steps]
    assert (batch.targets == 1).sum() == max(1, steps - 1)


def test_padding_changes_neither_answers_nor_losses(samples: tuple[StepStore, list[ClipSample]]) -> None:
    store, clips = samples
    together = clip_batch(store, clips, [0, 4])  # of 3 and of 7 steps
    alone = clip_batch(store, clips, [0])
    assert torch.allclose(logits(together)[0, :3], logits(alone)[0], atol=1e-5)
    both = clip_losses(logits(together), torch.from_numpy(together.targets), 0.1)
    one = clip_losses(logits(alone), torch.from_numpy(alone.targets), 0.1)
    assert torch.allclose(both[0], one[0], atol=1e-5)


def test_embeddings_and_pixels_give_the_same_answers(samples: tuple[StepStore, list[ClipSample]]) -> None:
    store, clips = samples
    batch = clip_batch(store, clips, [0, 4])
    network = small_network()
    with torch.no_grad():
        flat = torch.from_numpy(batch.steps).reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2)
        embedded = network.embed((flat.float() - 127) / 128).reshape(2, 7, -1).numpy()
        found = network.at_every_step(torch.from_numpy(embedded))
    assert torch.allclose(found[1], logits(batch)[1], atol=1e-4)
    assert torch.allclose(found[0, :3], logits(batch)[0, :3], atol=1e-4)


def test_a_clip_is_augmented_as_a_whole(samples: tuple[StepStore, list[ClipSample]]) -> None:
    store, clips = samples
    same = replace(clips[4], first=clips[4].first)
    frames = np.repeat(store.read(same.first, 1), 5, axis=0)
    still = replace(same, first=store.append(frames), steps=5, step_labels=np.zeros(5, np.int64))
    batch = clip_batch(store, [still], [0], np.random.default_rng(3))
    assert (batch.steps[0] == batch.steps[0, :1]).all()  # a still clip stays still
    assert (batch.steps[0, 0] != frames[0]).any()


def test_loss_is_the_mean_over_the_labelled_steps() -> None:
    found = torch.tensor([[[2.0, 0.0], [0.0, 1.0], [5.0, 5.0]]])
    targets = torch.tensor([[0, 1, UNLABELLED]])
    expected = (np.log1p(np.exp(-2)) + np.log1p(np.exp(-1))) / 2
    assert clip_losses(found, targets, 0.0).item() == pytest.approx(expected, abs=1e-6)
