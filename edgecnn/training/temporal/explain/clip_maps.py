"""Maps of a clip: which places of which frames support the answer after the last step.

Gradient times activation at each cell of the embeddings (HiResCAM, Draelos and Carin 2020, arXiv 2011.08891). Grad-CAM
would average the gradient over all places, and the weights of the recurrent head differ from place to place.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from edgecnn.training.temporal.network import ClipClassifier, cells

__all__ = ["clip_maps"]


def clip_maps(network: ClipClassifier, inputs: Tensor, index: int) -> NDArray[np.float32]:
    """Computes how much each place of each frame contributes to the score of a class after the last step.

    Args:
        network: in evaluation mode; its weights stay as they are.
        inputs: the clip's normalised frames, float ``[T, 3, H, W]``.
        index: of the class.

    Returns:
        ``[T, H, W]``, 0 to 1 over all frames; all 0 where no place supports the class.
    """
    with torch.no_grad():
        embedded = cells(network.backbone, inputs).float()  # [T, C, rows, columns]
    # cuDNN's recurrent layers have no gradient in evaluation mode
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        embedded.requires_grad_()
        logits = network.at_every_step(embedded.flatten(1)[None])[0, -1]  # [C]
        (gradient,) = torch.autograd.grad(logits[index], embedded)
    heat = (gradient * embedded.detach()).sum(1, keepdim=True).relu()  # [T, 1, rows, columns]
    heat = heat / heat.amax().clamp_min(torch.finfo(heat.dtype).tiny)
    shown = functional.interpolate(heat, inputs.shape[2:], mode="bilinear", align_corners=False)
    return shown[:, 0].clamp(0, 1).cpu().numpy()
