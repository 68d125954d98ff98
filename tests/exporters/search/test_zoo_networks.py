"""The networks of a zoo, before they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgecnn.image_size import height_width
from edgecnn.training.models.registry import MODELS
from exporters.search.probe import ProbedImages
from exporters.search.zoo import ZooNetwork, build_for_timing


def test_the_reference_is_pruned_as_before_a_training_and_images_are_read_for_that_alone(small_run: Path) -> None:
    reads = []
    reference = str(small_run / "run" / "weights" / "best.pt")

    def read() -> ProbedImages:
        reads.append(1)
        images = np.random.default_rng(0).integers(0, 256, (70, 32, 32, 3), np.uint8)
        return ProbedImages(images, np.zeros(70, np.intp))

    whole = build_for_timing(ZooNetwork("resnet8", 0.0), reference, 2, read)
    assert not reads
    pruned = build_for_timing(ZooNetwork("resnet8", 0.5), reference, 2, read)
    assert len(reads) == 1
    sizes = [sum(p.numel() for p in network.parameters()) for network in (whole, pruned)]
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize("name", MODELS)
def test_networks_take_smaller_images_or_say_that_they_do_not(name: str) -> None:
    """A zoo has one file of each network, which is timed at all sizes that it takes."""
    spec = MODELS[name]
    network = spec.build(2, spec.imgsz).eval()
    smaller = torch.zeros(1, 3, *(side * 2 // 3 for side in height_width(spec.imgsz)))
    with torch.inference_mode():
        try:
            taken = network(smaller).shape == (1, 2)
        except RuntimeError:
            taken = False
    assert taken != spec.one_size
