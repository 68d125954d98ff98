"""Class-activation maps by Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391).

The channels of the last feature map with more than one position are weighted by the mean gradient of the class score;
positive values are kept. For networks that average that map and put a linear layer on it, this is the
class-activation map of Zhou et al. (2016, arXiv 1512.04150).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgecnn.errors import CheckpointError
from edgecnn.training.explain.layers import run_hooked
from edgecnn.training.models.base import ImageClassifier

__all__ = ["activation_maps", "map_layer"]


def activation_maps(network: ImageClassifier, inputs: Tensor, classes: Sequence[int]) -> NDArray[np.float32]:
    """Computes how much each position contributes to the score of a class.

    Args:
        network: in evaluation mode; its weights stay as they are.
        inputs: normalised images, float ``[N, 3, H, W]``.
        classes: N class indices, one an image.

    Returns:
        ``[N, H, W]``, 0 to 1 in each image; all 0 where no position supports the class.

    Raises:
        CheckpointError: no convolution of the network has an output larger than 1 x 1.
    """
    layer = map_layer(network, inputs[:1])
    found: list[Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _inputs, output: found.append(output))
    try:
        with torch.enable_grad():
            logits = network(inputs.detach().requires_grad_())  # so that gradients flow even if every weight is frozen
            scores = _scores(logits)[torch.arange(len(inputs)), torch.as_tensor(classes, device=logits.device)]
            # In evaluation mode images do not affect each other
            (gradient,) = torch.autograd.grad(scores.sum(), found[-1])
    finally:
        hook.remove()
    weights = gradient.mean((2, 3), keepdim=True)  # [N, C, 1, 1]
    heat = (weights * found[-1].detach()).sum(1, keepdim=True).relu()
    heat = heat / heat.amax((2, 3), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
    shown = functional.interpolate(heat.float(), inputs.shape[2:], mode="bilinear", align_corners=False)
    return shown[:, 0].clamp(0, 1).cpu().numpy()


def map_layer(network: ImageClassifier, inputs: Tensor) -> nn.Module:
    """The module whose output is the last feature map larger than 1 x 1.

    It belongs to the last convolution: its norm, activation or residual sum. Found by running
    one image ``[1, 3, H, W]``. Raises :class:`CheckpointError` where there is none.
    """
    outputs: list[tuple[nn.Module, tuple[int, int]]] = []  # in the order of completion: a block after its layers

    def remember(module: nn.Module, _inputs: tuple[Tensor, ...], output: object) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            outputs.append((module, (output.shape[2], output.shape[3])))

    hooks = [module.register_forward_hook(remember) for module in network.modules()]
    run_hooked(network, inputs, hooks)
    last = max(
        (i for i, (module, (h, w)) in enumerate(outputs) if isinstance(module, nn.Conv2d) and h * w > 1), default=None
    )
    if last is None:
        raise CheckpointError(
            f"{type(network).__name__}: no convolution's output has more than one place, so there is no "
            "class-activation map; use larger images"
        )
    return [module for module, size in outputs[last:] if size == outputs[last][1]][-1]


def _scores(logits: Tensor) -> Tensor:
    """One score per class. In a network with one logit, the score of the first class is the negative logit."""
    return torch.cat([-logits, logits], 1) if logits.shape[1] == 1 else logits
