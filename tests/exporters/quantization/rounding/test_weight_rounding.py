"""Weights that are chosen by their effect, and the covariance that tells of it."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import torch
from torch.nn import functional

from exporters.quantization.rounding.patch_covariance import PatchCovariance
from exporters.quantization.rounding.weight_rounding import round_weights


def _cost(integers: np.ndarray, scale: float, weights: np.ndarray, covariance: np.ndarray) -> float:
    error = integers * scale - weights
    return float(error @ covariance @ error)


def _correlated(size: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(200, size)) @ np.random.default_rng(seed + 1).normal(size=(size, size))
    return np.cov(x.T)


def test_no_neighbouring_integers_do_better_than_the_chosen_ones() -> None:
    weights, covariance = np.random.default_rng(2).normal(size=(5, 4)), _correlated(4)
    chosen = round_weights(weights, np.abs(weights).max(1) / 7, covariance[None])  # some 7 levels
    for row, scale, exact in zip(chosen.integers.astype(int), chosen.scales, weights, strict=True):
        found = _cost(row, scale, exact, covariance)
        for k, step in itertools.product(range(4), (-1, 1)):
            other = row.copy()
            other[k] += step
            assert found <= _cost(other, scale, exact, covariance) * (
                1 + 1e-2
            )  # the covariance is regularised a little


def test_chosen_weights_disturb_the_output_less_than_the_nearest() -> None:
    weights, covariance = np.random.default_rng(3).normal(size=(16, 9)), _correlated(9)
    scales = np.abs(weights).max(1) / 127
    chosen = round_weights(weights, scales, covariance[None])
    nearest = np.round(weights / scales[:, None])
    cost = [
        sum(_cost(q, s, w, covariance) for q, s, w in zip(integers, steps, weights, strict=True))
        for integers, steps in ((chosen.integers.astype(float), chosen.scales), (nearest, scales))
    ]
    assert cost[0] < cost[1] / 2


def test_each_channel_goes_by_a_covariance_of_its_own_and_stays_within_the_levels() -> None:
    weights = np.random.default_rng(4).normal(size=(3, 9))
    covariances = np.stack([_correlated(9, seed) for seed in range(3)])
    scales = np.abs(weights).max(1) / 200  # too fine for the largest
    together = round_weights(weights, scales, covariances)
    assert (np.abs(together.integers.astype(int)).max(1) == 127).all()
    for i in range(3):
        alone = round_weights(weights[i : i + 1], scales[i : i + 1], covariances[i : i + 1])
        np.testing.assert_array_equal(alone.integers[0], together.integers[i])


def test_a_channel_without_weights_or_without_inputs_is_no_fault() -> None:
    weights = np.zeros((2, 9))
    weights[1, 0] = 0.5
    chosen = round_weights(weights, np.array([1e-12, 0.5 / 127]), np.zeros((1, 9, 9)))
    assert np.isfinite(chosen.scales).all()
    np.testing.assert_allclose(chosen.integers * chosen.scales[:, None], weights, atol=0.002)


@pytest.mark.parametrize(
    ("groups", "channels", "stride", "pads"),
    [(6, 6, 1, (1, 1, 1, 1)), (6, 6, 2, (0, 0, 1, 1)), (1, 3, 2, (0, 1, 1, 0))],
)
def test_the_covariance_tells_the_variance_of_the_convolutions_output(
    groups: int, channels: int, stride: int, pads: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    weight = torch.randn(6, channels // groups, 3, 3)
    gathered = PatchCovariance(tuple(weight.shape), (stride, stride), pads, groups)
    outputs = []
    for _ in range(3):
        x = torch.randn(2, channels, 9, 8) + 1
        gathered.add(x.numpy())
        top, left, bottom, right = pads
        outputs.append(
            functional.conv2d(functional.pad(x, (left, right, top, bottom)), weight, stride=stride, groups=groups)
        )
    flat = weight.flatten(1).double().numpy()
    found = np.einsum("ok,okl,ol->o", flat, np.broadcast_to(gathered.result(), (6, *gathered.result().shape[1:])), flat)
    wanted = torch.cat(outputs).double().var((0, 2, 3), correction=0).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize(("groups", "channels"), [(4, 4), (1, 3)])
def test_of_a_large_image_some_rows_and_columns_tell_what_all_tell(groups: int, channels: int) -> None:
    """Borders with their padding count as often as they are there."""
    values = np.random.default_rng(5).normal(size=(8, channels, 60, 60)).astype(np.float32) + 1
    smooth = (values + np.roll(values, 1, 3) + np.roll(values, 1, 2)) / 3
    gathered = PatchCovariance((4, channels // groups, 3, 3), (1, 1), (1, 1, 1, 1), groups)
    for _ in range(10):
        gathered.add(smooth)
    padded = np.pad(smooth, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))  # [N, C, H, W, kH, kW]
    patches = rows.transpose(1, 4, 5, 0, 2, 3).reshape(groups, -1, 8 * 60 * 60)
    wanted = np.stack([np.cov(of_channel, bias=True) for of_channel in patches])
    np.testing.assert_allclose(gathered.result(), wanted, atol=0.05 * wanted.max())


def test_many_wide_channels_are_looked_at_in_fewer_places() -> None:
    gathered = PatchCovariance((4096, 1, 5, 5), (1, 1), (2, 2, 2, 2), 4096)
    tracemalloc.start()
    gathered.add(np.ones((8, 4096, 20, 20), np.float32))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 400e6  # all places would be ten times as many
