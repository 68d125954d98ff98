"""Quantization-aware training: the network computes as if in eight bits, and its weights learn to bear it (Jacob et al., arXiv 1712.05877).

torchao finds where to round and rounds (its pt2e flow: ``prepare_qat_pt2e``, with the types of x86: uint8 activations, int8 weights a channel). The
rounding form shares its parameters with the network, so what is learnt is an ordinary checkpoint: exported and quantized like any other, for any
target, through the same gates.
"""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec

import torch
from torch import nn

from edgecnn.errors import MissingExtraError, UsageError
from edgecnn.training.models.base import ImageClassifier

__all__ = ["fake_quantized"]


def fake_quantized(network: ImageClassifier, imgsz: int) -> nn.Module:
    """A form of ``network`` that rounds weights and activations; batch-norm as it is now, training or not.

    Args:
        network: its parameters become those of the form.
        imgsz: side of its pictures in pixels; the form takes float ``[N, 3, imgsz, imgsz]``, N at least 2.

    Raises:
        MissingExtraError: torchao is not installed.
        UsageError: a network that torch.export cannot follow.
    """
    if find_spec("torchao") is None:
        raise MissingExtraError("--qat needs torchao, not installed here; run pip install 'edgecnn[qat]'")
    os.environ.setdefault("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", "1")  # its CUDA kernels, which it would complain about at length
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)
    from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e  # noqa: PLC0415  # an extra of its own
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (  # noqa: PLC0415
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    example = torch.zeros(2, 3, imgsz, imgsz, device=next(network.parameters()).device)
    try:
        graph = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},)).module()
    except Exception as error:  # torch.export's own classes share no base
        raise UsageError(f"--qat: torch.export cannot follow this network: {str(error).splitlines()[0]}") from error
    quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config(is_qat=True))
    prepared: nn.Module = prepare_qat_pt2e(graph, quantizer)
    return prepared
