"""Traces a torch module to an ONNX graph with torch's exporter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from onnx import ModelProto
from torch import Tensor, nn

from edgecnn._version import __version__
from edgecnn.error_text import first_line
from edgecnn.errors import UsageError
from exporters.graph.passes import mean_to_global_average_pool, run_passes
from exporters.layer_names import name_by_layer

__all__ = ["IR_VERSION", "ir_version", "trace"]

IR_VERSION = 8  # read by every onnxruntime since 1.14


def ir_version(opset: int) -> int:
    """The oldest IR version that may have an operator set."""
    return IR_VERSION if opset <= 20 else 10


def trace(
    module: nn.Module, examples: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str], opset: int, name: str
) -> ModelProto:
    """Exports a module whose inputs and outputs have a batch dimension first.

    Args:
        module: in evaluation mode.
        examples: an example of each input with a batch of 2 (1 would be taken for a constant).
        inputs, outputs: names.
        opset: ONNX operator set version.
        name: of the network, for errors.

    Raises:
        UsageError: torch cannot export the module, or its batch size is fixed.
    """
    batch = torch.export.Dim("batch", min=1)
    try:
        with _quiet(), _out_of_place(module):
            program = torch.onnx.export(
                module,
                tuple(examples),
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=tuple({0: batch} for _ in examples),
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:  # of a network of the user's own
        why = first_line(error.__cause__ or error)
        raise UsageError(
            f"{name}: torch cannot export it: {why}; write forward() without conditions on tensor values"
        ) from error
    assert program is not None
    model = program.model_proto  # written anew at each access
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise UsageError(
            f"{name}: fixes the number of images a batch holds; write its forward without a loop over them"
        )
    run_passes(model, (mean_to_global_average_pool,))  # before, so that its name is that of what it is
    return _plain(name_by_layer(model))


@contextlib.contextmanager
def _out_of_place(network: nn.Module) -> Iterator[None]:
    """Activations return new tensors: torch's exporter is up to 1.7 times slower with in-place ones."""
    overwriting: list[Any] = [module for module in network.modules() if getattr(module, "inplace", False) is True]
    for module in overwriting:
        module.inplace = False
    try:
        yield
    finally:
        for module in overwriting:
            module.inplace = True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter prints its progress on standard output and warns of packages that nobody needs here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _plain(model: ModelProto) -> ModelProto:
    """Removes the notes of torch's exporter, which name files of the exporting machine."""
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "edgecnn", __version__, ""
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
    del model.graph.metadata_props[:]
    return model
