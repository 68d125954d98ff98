"""Answers of a network computed a few images at a time."""

from __future__ import annotations

import torch
from torch import nn

from edgecnn.training.optim.small_batches import in_small_batches


def test_the_answers_are_those_of_the_whole_batch_and_no_part_is_large() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    seen: list[int] = []

    def compute(part: torch.Tensor) -> torch.Tensor:
        seen.append(len(part))
        found: torch.Tensor = network(part)
        return found

    images = torch.randn(11, 3, 224, 224)
    with torch.inference_mode():
        found = in_small_batches(compute, images)
        assert torch.allclose(found, network(images), atol=1e-6)
    assert seen == [4, 4, 3]


def test_a_batch_of_small_images_is_one_part_and_huge_images_come_alone() -> None:
    seen: list[int] = []

    def compute(part: torch.Tensor) -> torch.Tensor:
        seen.append(len(part))
        return part.mean((1, 2, 3))

    in_small_batches(compute, torch.zeros(100, 3, 32, 32))
    in_small_batches(compute, torch.zeros(2, 1, 600, 600))
    assert seen == [100, 1, 1]
