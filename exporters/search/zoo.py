"""Writes the zoo of a search: model files that are not trained, to time on the device."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from edgecnn.atomic import atomic_path, make_folder
from edgecnn.image_size import height_width
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.analysis.zoo import ZOO_KEY
from edgecnn.runtime.golden.choice import synthetic_images
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.models.base import ImageClassifier
from edgecnn.training.models.own import own_manifest
from edgecnn.training.models.registry import find_model
from edgecnn.training.pruning.prune import pruned
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.tensors import normalize
from exporters.graph.float_model import parse_float_model, prepare_graph
from exporters.options import ExportOptions
from exporters.quantization.candidates import Candidate, calibrate, quantize_once, write_candidate
from exporters.quantization.equalize import equalize
from exporters.quantization.eval_images import CalibrationSet, ComparedImages
from exporters.quantization.targets import TARGETS
from exporters.search.network_choice import NetworkChoice
from exporters.search.probe import ProbedImages, build_pretrained
from exporters.to_onnx import export_onnx

__all__ = ["ZooNetwork", "build_for_timing", "write_zoo", "zoo_networks"]

_RANGES_ON = 4  # images: speed does not depend on the ranges
_IMAGES, _BATCH = 64, 16  # that the importance of channels is taken from


@dataclass(frozen=True, order=True)
class ZooNetwork:
    """A network in a zoo, which stands for all its image sizes."""

    model: str
    pruned: float

    @property
    def name(self) -> str:
        """Of its files, without the suffix."""
        return NetworkChoice(self.model, height_width(find_model(self.model).imgsz)[0], self.pruned).name


def zoo_networks(choices: Iterable[NetworkChoice]) -> tuple[ZooNetwork, ...]:
    """The different networks among choices."""
    return tuple(sorted({ZooNetwork(choice.model, choice.pruned) for choice in choices}))


def write_zoo(
    networks: Sequence[ZooNetwork],
    labels: Sequence[str],
    folder: Path,
    target: str,
    build: Callable[[ZooNetwork], ImageClassifier],
    reporter: Reporter,
) -> None:
    """Writes each network as a float and an int8 file; what is there already stays.

    Args:
        networks: to write.
        labels: of the classifier; their number matters.
        folder: to write to; made where it is not there.
        target: processor of the int8 files.
        build: gives a network, whose weights do not matter.
        reporter: receives the progress.

    Raises:
        OutputError: the folder cannot be written.
    """
    make_folder(folder)
    progress = reporter.stage("writing networks to time")
    for i, network in enumerate(networks):
        _write(network, labels, folder, target, build)
        progress(i + 1, len(networks))


def _write(
    network: ZooNetwork,
    labels: Sequence[str],
    folder: Path,
    target: str,
    build: Callable[[ZooNetwork], ImageClassifier],
) -> None:
    plain, quantized = folder / f"{network.name}.onnx", folder / f"{network.name}.int8.onnx"
    if not plain.exists():
        spec = find_model(network.model)
        manifest = own_manifest(labels, spec.imgsz, spec.normalization)
        with atomic_path(plain) as temporary:
            written = temporary.with_suffix(".onnx")
            try:
                export_onnx(build(network), written, ExportOptions(golden="none"), manifest=manifest)
                temporary.write_bytes(_marked(written, network))
            finally:
                written.unlink(missing_ok=True)
    if not quantized.exists():
        with atomic_path(quantized) as temporary:
            _quantize(plain, temporary, target)
            temporary.write_bytes(_marked(temporary, network))


def _marked(path: Path, network: ZooNetwork) -> bytes:
    """A file's bytes with the mark of a zoo."""
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    told = json.dumps(
        {"model": network.model, "pruned": network.pruned, "one_size": find_model(network.model).one_size}
    )
    onnx.helper.set_model_props(model, kept | {ZOO_KEY: told})
    content: bytes = model.SerializeToString()
    return content


def _quantize(plain: Path, path: Path, target: str) -> None:
    """The int8 form, with ranges of a few synthetic images: as fast as one that was calibrated."""
    file = read_model_file(plain)
    graph = parse_float_model(plain, file.content)
    session = open_session(file, "cpu", trusted=True)
    prepare_graph(plain, graph, session)
    images = synthetic_images(*session.input_shape[:2], count=_RANGES_ON)
    one = ComparedImages(images[:1])
    few = CalibrationSet(images, one, one, ())
    calibrated = calibrate(equalize(graph, images[:1]), session, few, Silent())
    form = TARGETS[target]
    model = quantize_once(calibrated, form, "minmax")
    write_candidate(calibrated, Candidate(model, form, "minmax", corrected=False, tried={}), path)


def build_for_timing(
    network: ZooNetwork, trained: str, classes: int, read: Callable[[], ProbedImages]
) -> ImageClassifier:
    """A network of the zoo, pruned as it would be before a training.

    Args:
        network: which.
        trained: checkpoint of the reference, whose network alone is pruned: which layers become how narrow depends on
            the weights.
        classes: of its classifier.
        read: reads the images that the importance of its channels is taken from; called where it is pruned.
    """
    spec = find_model(network.model)
    if not network.pruned:
        whole = build_pretrained(network.model)
        whole.classifier = spec.build(classes, spec.imgsz).classifier
        return whole
    whole = load_checkpoint(Path(trained)).build()
    images = read().images
    few = images[:: max(1, len(images) // _IMAGES)][:_IMAGES]
    batches = [
        normalize(few[i : i + _BATCH], spec.normalization, torch.device("cpu")) for i in range(0, len(few), _BATCH)
    ]
    return pruned(whole, 1 - network.pruned, lambda: batches, height_width(spec.imgsz)).network
