"""Exports a checkpoint or a built-in network to a float model file, after comparing its outputs with torch."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from edgecnn._version import __version__
from edgecnn.atomic import check_apart
from edgecnn.data.dataset import select_eval_images
from edgecnn.data.loading import fitted_batches
from edgecnn.errors import DataError, GateError, InputNotFoundError, UsageError
from edgecnn.manifest import CLASSES_KEY, Manifest
from edgecnn.plain_json import parse_json
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.golden.choice import choose, synthetic_images
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.imagenet import pretrained_imagenet
from edgecnn.training.models.own import OwnNetwork, own_network
from edgecnn.training.models.registry import MODELS
from edgecnn.training.temporal.clip_backend import ClipBackend, open_any_checkpoint
from edgecnn.training.tensors import two_columns
from edgecnn.training.torch_backend import TorchBackend
from exporters.graph.export_passes import PASSES
from exporters.graph.fp16 import to_fp16
from exporters.graph.passes import run_passes
from exporters.options import OPSET, ExportOptions
from exporters.temporal.export import export_clips
from exporters.tracing import IR_VERSION, ir_version, trace
from exporters.written import ExportResult, Parity, compare, write_examined

__all__ = ["IR_VERSION", "ExportResult", "Parity", "export_onnx"]

_PARITY_IMAGES = 256
_PARITY_TOLERANCE = {"fp32": 1e-3, "fp16": 3e-2}


def export_onnx(
    source: str | Path | TorchBackend | nn.Module,
    path: str | Path,
    options: ExportOptions | None = None,
    reporter: Reporter | None = None,
    *,
    manifest: Manifest | None = None,
    network: nn.Module | None = None,
) -> ExportResult:
    """Exports to a self-describing model file.

    Args:
        source: a checkpoint, the name of a built-in network (with ``weights="imagenet"``), or a trained network:
            normalised images, float ``[N, 3, H, W]``, to logits ``[N, C]``. A network is left as it is.
        path: the ``.onnx`` file to write. It is created only after the checks pass.
        options: export options.
        reporter: receives stages and progress.
        manifest: manifest for a network; required with a network, not allowed otherwise.
        network: custom network for the weights of a checkpoint.

    Raises:
        InputNotFoundError, CheckpointError, MissingExtraError: the source cannot be loaded.
        UsageError: an option has an invalid value, or the network cannot be exported.
        ModelError: the network has operators that the runtime does not support.
        DataError: the images for the comparison cannot be used.
        GateError: the outputs differ from torch; no file is written.
        OutputError: the file cannot be written, or is the checkpoint itself.
    """
    start = time.perf_counter()
    options, reporter, path = options or ExportOptions(), reporter or Silent(), Path(path)
    if isinstance(source, str | Path):
        check_apart(path, source)
    backend = _open_source(source, options, manifest, network)
    if isinstance(backend, ClipBackend):
        return export_clips(backend, path, options, reporter, _run_data(backend.file))
    manifest = backend.manifest.replace(precision=options.precision, created_by=f"edgecnn {__version__}")
    backend = TorchBackend(
        backend.network, manifest, backend.split_record, backend.file, backend.unknown, backend.classes_json
    )
    images, which = _parity_images(backend, options)
    reporter.stage("exporting")(0, 1)
    model = _to_graph(backend, options)

    def examine(session: ModelSession) -> tuple[Parity, GoldenSamples | None]:
        parity = compare(backend.answers, session, images, which, reporter.stage("comparing with torch"))
        _check_parity(path, parity, _PARITY_TOLERANCE[options.precision])
        return parity, _golden(session, manifest, images, options)

    return write_examined(model, path, manifest, backend.split_record, examine, start)


def _check_parity(path: Path, parity: Parity, tolerance: float) -> None:
    """Raises :class:`GateError` where the graph differs from torch by more than ``tolerance``; a NaN always does."""
    differences = (("a probability", parity.max_abs_diff), ("an unknown score", parity.unknown_max_diff))
    for what, difference in differences:
        if difference is not None and not difference <= tolerance:
            raise GateError(
                f"{path}: the exported graph differs from torch by {difference:.2g} in {what} (allowed {tolerance:g}); "
                "not written; please report this network as a bug"
            )


def _open_source(
    source: str | Path | TorchBackend | nn.Module,
    options: ExportOptions,
    manifest: Manifest | None,
    network: nn.Module | None,
) -> TorchBackend:
    if isinstance(source, nn.Module):
        return _backend(source, manifest)
    if manifest is not None:
        raise UsageError("manifest is only for a network object; checkpoints and built-in networks have their own")
    if isinstance(source, TorchBackend):
        return source
    if str(source) in MODELS and not Path(source).exists():
        if options.weights is None:
            raise UsageError(
                f"{source}: is an untrained built-in network; add --weights imagenet, or give a checkpoint"
            )
        if options.weights != "imagenet":
            raise UsageError(f"--weights {options.weights}: unknown weights; the only choice is imagenet")
        return pretrained_imagenet(str(source))
    if options.weights is not None:
        raise UsageError(
            f"{source}: --weights {options.weights} goes with the name of a built-in network; give one of "
            f"{', '.join(MODELS)}, or a checkpoint without --weights"
        )
    return open_any_checkpoint(Path(source), network)


def _backend(network: nn.Module, manifest: Manifest | None) -> TorchBackend:
    if manifest is None:
        raise UsageError(
            f"{type(network).__name__}: a network alone says neither its labels nor its images; "
            "give them with manifest=own_manifest(labels, imgsz) of edgecnn.training.models.own"
        )
    if not isinstance(network, ImageClassifier) or isinstance(network, OwnNetwork):
        return TorchBackend(
            own_network(network, len(manifest.labels), (manifest.input.height, manifest.input.width)), manifest
        )
    return TorchBackend(copy.deepcopy(network).cpu(), manifest)


class _DeviceGraph(nn.Module):
    """The exported graph.

    Pixels in; probabilities, the embedding where the network has one, and the unknown score where the rule needs it
    out.
    """

    def __init__(self, network: ImageClassifier, score: nn.Module | None, manifest: Manifest, layout: str) -> None:
        super().__init__()
        self.network = network
        self.score = score
        self.pixels = layout == "nhwc-uint8"
        self.zero_point, self.scale = manifest.normalization.zero_point, manifest.normalization.scale
        self.temperature = manifest.temperature

        self.embeds = not isinstance(network.classifier, nn.Identity)

    @property
    def outputs(self) -> list[str]:
        """Names of what :meth:`forward` gives, in order."""
        return ["probabilities", *(["embedding"] if self.embeds else []), *(["unknown_score"] if self.score else [])]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """uint8 ``[N, H, W, 3]`` (or normalised float ``[N, 3, H, W]``) -> probabilities ``[N, C]``, embedding ``[N,
        D]``, score ``[N]``."""
        if self.pixels:
            # moved as bytes, a quarter of the floats; contiguous, or torch exports its own strides as Gather nodes
            image = (image.permute(0, 3, 1, 2).contiguous().float() - self.zero_point) / self.scale
        embedding = self.network.features(image)
        logits = two_columns(self.network.classifier(embedding))
        found = {"probabilities": torch.softmax(logits / self.temperature, dim=1), "embedding": embedding}
        if self.score is not None:
            found["unknown_score"] = self.score(embedding, logits)
        return tuple(found[name] for name in self.outputs)


def _to_graph(backend: TorchBackend, options: ExportOptions) -> ModelProto:
    """Traces the graph and runs the passes."""
    if options.opset < OPSET:
        raise UsageError(f"--opset {options.opset}: expected {OPSET} or higher")
    manifest, score = backend.manifest, backend.score
    height, width = manifest.input.height, manifest.input.width
    graph = _DeviceGraph(backend.network.cpu(), score.cpu() if score else None, manifest, options.layout).eval()
    example = (
        torch.zeros((2, height, width, 3), dtype=torch.uint8) if graph.pixels else torch.zeros((2, 3, height, width))
    )
    model = trace(graph, [example], ["image"], graph.outputs, options.opset, _name(backend.network))
    run_passes(model, PASSES)
    if backend.classes_json is not None:
        model.metadata_props.add(key=CLASSES_KEY, value=backend.classes_json)
    if options.precision == "fp16":
        model = to_fp16(model)
    model.ir_version = ir_version(options.opset)
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _name(network: ImageClassifier) -> str:
    return type(network.body if isinstance(network, OwnNetwork) else network).__name__


def _parity_images(backend: TorchBackend, options: ExportOptions) -> tuple[Image, str]:
    """Images of the model's size for the comparison: real ones if the run's data are there, otherwise made by code."""
    manifest = backend.manifest
    if options.data is not None:
        chosen = select_eval_images(options.data, manifest, backend.split_record, labels_needed=False)
        return _load(chosen.paths, manifest, options.max_pixels, f"{chosen.note} of {options.data}")
    run_data = _run_data(backend.file)
    if run_data is not None:
        with contextlib.suppress(DataError, InputNotFoundError):  # moved or changed since: not a fault of the export
            chosen = select_eval_images(run_data, manifest, backend.split_record, labels_needed=False)
            return _load(chosen.paths, manifest, options.max_pixels, chosen.note)
    if options.golden == "data":
        raise UsageError("--golden data: the dataset of the run does not exist any more; give images with --data")
    return synthetic_images(manifest.input.height, manifest.input.width), "synthetic images; give real ones with --data"


def _run_data(checkpoint: str) -> Path | None:
    """The data folder of the checkpoint's run, if both still exist."""
    summary = Path(checkpoint).parent.parent / "summary.json"
    try:
        data = Path(parse_json(summary.read_text())["options"]["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return data if data.is_dir() else None


def _load(paths: Sequence[Path], manifest: Manifest, max_pixels: int, which: str) -> tuple[Image, str]:
    """At most a few of the images, and what they are; those that cannot be read are named."""
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), _PARITY_IMAGES)).astype(int)]
    loaded = list(fitted_batches(chosen, manifest, 32, max_pixels=max_pixels))
    skipped = [f"{found.path}: {found.reason}" for batch in loaded for found in batch.skipped]
    if len(skipped) == len(chosen):
        raise DataError(f"{paths[0].parent}: no image can be read; {skipped[0]}")
    left_out = f"; {len(skipped)} of them cannot be read, such as {skipped[0]}" if skipped else ""
    return np.concatenate([batch.images for batch in loaded]), which + left_out


def _golden(session: ModelSession, manifest: Manifest, images: Image, options: ExportOptions) -> GoldenSamples | None:
    if options.golden == "none":
        return None
    candidates = images if options.golden == "data" else synthetic_images(manifest.input.height, manifest.input.width)
    return choose(session, candidates, manifest.precision)
