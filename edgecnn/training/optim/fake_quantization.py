"""Quantization-aware training.

Training simulates int8 rounding, so that the weights adapt to it (Jacob et al., arXiv 1712.05877).

torchao finds where to round and rounds (its pt2e flow: ``prepare_qat_pt2e``, with the types of x86: uint8 activations,
int8 weights a channel). The rounding form shares its parameters with the network, so what is learnt is an ordinary
checkpoint: exported and quantized like any other, for any target, through the same gates.

Batch-norm is made neutral first: its scale goes into the convolution's weights, which are what the device rounds, and
its shift stays as the bias.
"""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgecnn.errors import MissingExtraError, UsageError
from edgecnn.image_size import ImageSize, height_width
from edgecnn.training.models.base import ImageClassifier

__all__ = ["fake_quantized", "ranges", "set_ranges"]

_CONVOLUTION, _BATCH_NORM = torch.ops.aten.conv2d.default, torch.ops.aten.batch_norm.default


def fake_quantized(network: ImageClassifier, imgsz: ImageSize) -> nn.Module:
    """A form of ``network`` that rounds weights and activations.

    Its batch-norm is made neutral in place, which changes no answer.

    Args:
        network: its parameters become those of the form.
        imgsz: size of its images in pixels; the form takes float ``[N, 3, H, W]``.

    Raises:
        MissingExtraError: torchao is not installed.
        UsageError: torch.export cannot trace the network.
    """
    if find_spec("torchao") is None:
        raise MissingExtraError("--qat needs torchao, which is not installed; run pip install 'edgecnn[qat]'")
    # Its CUDA kernels, which it would complain about at length
    os.environ.setdefault("TORCHAO_FORCE_SKIP_LOADING_SO_FILES", "1")
    for name in ("torch.utils._pytree", "torchao"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e  # noqa: PLC0415  # an extra of its own
    from torchao.quantization.pt2e.quantizer.x86_inductor_quantizer import (  # noqa: PLC0415
        X86InductorQuantizer,
        get_default_x86_inductor_quantization_config,
    )

    network.eval()
    example = torch.zeros(2, 3, *height_width(imgsz), device=next(network.parameters()).device)
    try:
        graph = torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    except Exception as error:  # torch.export's own classes share no base
        raise UsageError(f"--qat: torch.export cannot trace this network: {str(error).splitlines()[0]}") from error
    assert isinstance(graph, fx.GraphModule)
    _take_out_batch_norm(graph, network)
    for node in graph.graph.nodes:
        if node.target is _CONVOLUTION:  # torchao knows torch.nn.Conv2d by name, and none of its subclasses
            node.meta["source_fn_stack"] = [(node.name, nn.functional.conv2d)]
    quantizer = X86InductorQuantizer().set_global(get_default_x86_inductor_quantization_config(is_qat=True))
    prepared: nn.Module = prepare_qat_pt2e(graph, quantizer)
    return prepared


def ranges(form: nn.Module) -> dict[str, Tensor]:
    """Returns the quantization ranges, which a resumed run needs."""
    parameters = {name for name, _ in form.named_parameters()}
    return {
        name: value.detach().clone()
        for name, value in form.state_dict().items()
        if name not in parameters and "activation_post_process" in name
    }


def set_ranges(form: nn.Module, found: dict[str, Tensor]) -> None:
    """Restores the result of :func:`ranges`."""
    form.load_state_dict(found, strict=False)


def _take_out_batch_norm(graph: fx.GraphModule, network: nn.Module) -> None:
    """Convolution and batch-norm, in this order -> the convolution with batch-norm's shift as its bias."""
    for node in list(graph.graph.nodes):
        if node.target is not _BATCH_NORM:
            continue
        before, weight, shift = node.args[:3]
        if before.target is not _CONVOLUTION or len(before.users) != 1:
            continue
        norm = network.get_submodule(str(weight.target).rpartition(".")[0])
        convolution = network.get_submodule(str(before.args[1].target).rpartition(".")[0])
        assert isinstance(norm, nn.BatchNorm2d)
        _make_neutral(convolution, norm)
        before.args = (*before.args[:2], shift, *before.args[3:])
        node.replace_all_uses_with(before)
        graph.graph.erase_node(node)
    graph.graph.eliminate_dead_code()
    graph.recompile()


def _make_neutral(convolution: Any, norm: nn.BatchNorm2d) -> None:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # [C]
        if not norm.running_mean.any() and torch.equal(scale, torch.ones_like(scale)):
            return  # it is, in a resumed run
        convolution.weight.mul_(scale[:, None, None, None])
        bias = 0 if convolution.bias is None else convolution.bias
        norm.bias.add_((bias - norm.running_mean) * scale)
        if convolution.bias is not None:
            convolution.bias.zero_()
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)  # so that the root of their sum is 1
        norm.weight.fill_((norm.running_var[0] + norm.eps).sqrt())
