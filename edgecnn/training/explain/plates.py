"""The images of `explain`, each with an explanation for learners."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgecnn.evaluation.explanation_page import Plate
from edgecnn.image.heatmap import overlay
from edgecnn.preprocess import Image
from edgecnn.training.explain.activation_maps import activation_maps
from edgecnn.training.explain.layers import LayerOutput, first_steps
from edgecnn.training.explain.sheet import Scale, Tile, draw_sheet
from edgecnn.training.models.base import ImageClassifier

__all__ = ["feature_plate", "filter_plate", "input_plate", "map_plate", "step_plate", "telling_channel"]

_LARGE_PX, _SMALL_PX = 224, 96
_COLUMNS = 8
_KINDS = (
    (nn.Conv2d, "convolution"),
    (nn.BatchNorm2d, "batch norm"),
    (nn.MaxPool2d, "max-pooling"),
    (nn.AvgPool2d, "average pooling"),
)


def input_plate(original: Image, seen: Image) -> Plate:
    """The original image and the network input, complete and per channel; both uint8 ``[h, w, 3]`` RGB."""
    planes = [np.repeat(seen[:, :, i : i + 1], 3, 2) for i in range(3)]
    tiles = [
        Tile(original, f"as it is: {original.shape[1]} x {original.shape[0]}"),
        Tile(seen, f"the network's view: {seen.shape[1]} x {seen.shape[0]}"),
        *(Tile(plane, name) for plane, name in zip(planes, ("red", "green", "blue"), strict=True)),
    ]
    words = (
        "A network takes images of one size only. To it this one is three tables of numbers from 0 (black) to 255 "
        "(white): how much red, green and "
        "blue light fell on each place. Nothing in the numbers says what they show."
    )
    return Plate("input", "The image as the network sees it", words, draw_sheet("Input", tiles, _LARGE_PX, 5))


def filter_plate(first: LayerOutput, most: int) -> Plate:
    """The weights of the first convolution, each filter as a small image."""
    weights = _weights(first)  # [out, in, k, k]
    shown = weights[:most]
    # Each filter has its own scale: some are weak, but all have a pattern
    largest = np.abs(shown).reshape(len(shown), -1).max(1).clip(1e-12)
    colors = 0.5 + 0.5 * shown / largest[:, None, None, None]
    if weights.shape[1] != 3:  # no colours: the mean over the input's channels
        colors = colors.mean(1, keepdims=True).repeat(3, 1)
    tiles = [Tile(np.round(c.transpose(1, 2, 0) * 255).astype(np.uint8), f"{i}") for i, c in enumerate(colors)]
    k = weights.shape[2]
    words = (
        f"The first convolution has {len(weights)} filters of {k} x {k} places. Each is slid over the image; where "
        "what lies under it resembles "
        "it, the result is large. Grey is a weight of 0, a bright colour asks for light of that colour, a dark one "
        "for its absence. A filter that is "
        "bright on one side and dark on the other finds edges; one of a single colour finds that colour. Nobody "
        "drew them: they come from training. "
        "They begin as noise, and after a short training, or one in small steps, they still look like it."
    )
    title = f"Filters of the first convolution{_of(len(shown), len(weights))}"
    return Plate("filters", "What the first layer looks for", words, draw_sheet(title, tiles, 66, _COLUMNS))


def step_plate(outputs: Sequence[LayerOutput]) -> Plate:
    """One channel after each of the first layers."""
    steps = first_steps(outputs)
    channel = telling_channel(steps[0].values)
    tiles = []
    for step in steps:
        values = step.values[channel].numpy()
        reach = float(np.abs(values).max())
        scale = Scale("RdBu_r", -reach, reach) if values.min() < 0 else Scale("magma", 0.0, reach)
        tiles.append(Tile(scale.paint(values), f"{_kind(step.module)}, {step.size[1]} x {step.size[0]}"))
    words = " ".join([f"Filter {channel}, step by step.", *dict.fromkeys(_step_words(step.module) for step in steps)])
    return Plate(
        "steps",
        "One filter's way through the first layers",
        words,
        draw_sheet(f"Filter {channel}", tiles, _LARGE_PX, 4),
    )


def feature_plate(output: LayerOutput, number: int, most: int) -> Plate:
    """The feature maps of one layer, all on one scale."""
    values = output.values.numpy()
    channels = len(values)
    shown = np.sort(np.argsort(-values.mean((1, 2)), kind="stable")[:most])
    reach = (
        float(np.quantile(np.abs(values[shown]), 0.998)) or 1.0
    )  # a single bright position would make all others black
    scale = Scale("RdBu_r", -reach, reach) if values.min() < -0.1 * reach else Scale("magma", 0.0, reach)
    tiles = [Tile(scale.paint(values[c]), f"{c}") for c in shown]
    height, width = output.size
    title = f"After {output.name} ({_kind(output.module)}): {width} x {height}{_of(len(shown), channels, 'strongest ')}"
    words = (
        f"Depth {number}: {channels} feature maps of {width} x {height} places, each the answer of one filter "
        "everywhere in the image; bright is a "
        f"strong one. {_DEPTH_WORDS[min(number, len(_DEPTH_WORDS)) - 1]}"
    )
    return Plate(
        f"features-{number}",
        f"Feature maps, depth {number}",
        words,
        draw_sheet(title, tiles, _SMALL_PX, _COLUMNS, scale),
    )


def map_plate(
    network: ImageClassifier, inputs: Tensor, seen: Image, answers: Sequence[tuple[int, str, float]]
) -> Plate:
    """Class-activation maps over the image; ``answers``: index, label and score, best first."""
    maps = activation_maps(network, inputs.expand(len(answers), -1, -1, -1), [index for index, _, _ in answers])
    tiles = [Tile(seen, "input")]
    tiles += [
        Tile(overlay(seen, heat), f"{label} {score:.2f}{'' if heat.any() else ', no evidence'}")
        for heat, (_, label, score) in zip(maps, answers, strict=True)
    ]
    words = (
        "Where the evidence for each class lies: red places support it, blue ones do not (Grad-CAM at the last "
        "feature map). Each map is on a "
        "scale of its own, so an unlikely class has red places too. A map that lies on the background tells that "
        "the network goes by the background."
    )
    sheet = draw_sheet("What speaks for each class", tiles, _LARGE_PX, 4, Scale("turbo", 0.0, 1.0))
    return Plate("activation-maps", "What the answer rests on", words, sheet)


def telling_channel(values: Tensor) -> int:
    """The channel of ``[C, h, w]`` with many values on both sides of 0, which shows the effect of an activation."""
    above, below = values.clamp_min(0).square().mean((1, 2)), values.clamp_max(0).square().mean((1, 2))
    return int(torch.minimum(above, below).argmax())


_DEPTH_WORDS = (
    "Near the image the maps still look like it: edges, colours, light and dark.",
    "Deeper, a place sees more of the image, and a map answers to combinations: corners, patterns, parts.",
    "Deeper still, the maps are coarse and mostly dark: a channel is silent unless its part of an object is there.",
    (
        "This deep, a bright place says that something is there, roughly where, and no more how it looks. The "
        "classifier weighs these."
    ),
)


def _step_words(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        return "The convolution gives numbers above 0 (red: like the filter) and below (blue: its opposite)."
    if isinstance(module, nn.BatchNorm2d):
        return "Batch norm shifts and stretches them, so that no channel is much louder than the others."
    if isinstance(module, nn.MaxPool2d):
        return (
            "Max-pooling keeps the largest number of each small square: half the width and height, and a pattern "
            "may move by a place without "
            "changing the result."
        )
    if isinstance(module, nn.ReLU | nn.ReLU6):
        return "ReLU sets the numbers below 0 to 0 (black): the layer says only where it found something."
    return f"{type(module).__name__} follows."


def _weights(first: LayerOutput) -> NDArray[np.float32]:
    weights = first.module.weight
    assert isinstance(weights, torch.Tensor)
    return weights.detach().float().cpu().numpy()


def _kind(module: nn.Module) -> str:
    return next((word for kind, word in _KINDS if isinstance(module, kind)), type(module).__name__)


def _of(shown: int, of: int, which: str = "") -> str:
    return (
        f", {of} channels"
        if shown == of and which
        else ""
        if shown == of
        else f", the {which or 'first '}{shown} of {of}"
    )
