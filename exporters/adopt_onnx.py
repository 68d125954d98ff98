"""Adopts an ONNX classifier of another exporter: adds manifest and preprocessing, and compares it with the original.

The file then contains what other exporters leave to the calling code: channel order, normalization, softmax, and the
resizing rule.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edgecnn._version import __version__
from edgecnn.atomic import check_apart
from edgecnn.data.dataset import find_images
from edgecnn.data.loading import fitted_batches
from edgecnn.errors import DataError, GateError, InputNotFoundError, ModelError, UsageError
from edgecnn.manifest import (
    InputSpec,
    Manifest,
    Normalization,
    PreprocessSpec,
    TrainingRecord,
    UnknownRule,
)
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.admission.admission import admit
from edgecnn.runtime.session.golden_samples import GoldenSamples
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.ort_errors import ort_reason
from edgecnn.runtime.session.ort_options import SILENT, new_options, open_on_cpu
from exporters.foreign.adopted_graph import Scores, build_adopted
from exporters.foreign.read import ForeignModel, ends_in, read_foreign, read_labels
from exporters.golden import choose, synthetic_images
from exporters.options import AdoptOptions
from exporters.written import ExportResult, Parity, compare, write_examined

__all__ = ["adopt"]

_LARGEST_STATISTIC = 2.0  # of pixels from 0 to 1; what is meant for 0 to 255 is around a hundred
_TOLERANCE = 1e-3  # of a probability
_IMAGES = 256


def adopt(
    model: str | Path, path: str | Path, options: AdoptOptions | None = None, reporter: Reporter | None = None
) -> ExportResult:
    """Converts a classifier of another exporter to a model file.

    Args:
        model: an ONNX file with one input, float or uint8 images, and an output of class scores: logits or
            probabilities.
        path: the file to write. It is created only after its outputs match those of the original.
        options: information that the ONNX file lacks.
        reporter: receives stages and progress.

    Raises:
        UsageError: information is missing in the file and in the options. The message names the option.
        InputNotFoundError, ModelError: the file cannot be read, or cannot be adopted.
        DataError: the images for the comparison cannot be used.
        GateError: the outputs differ; no file is written.
        OutputError: the file cannot be written.
    """
    start = time.perf_counter()
    options, reporter, model, path = options or AdoptOptions(), reporter or Silent(), Path(model), Path(path)
    check_apart(path, model)
    questions: list[str] = []
    foreign = read_foreign(model, options.imgsz, options.layout, options.output, questions)
    labels = read_labels(options.labels, foreign.proto, model, questions)
    mean, std = _statistics(foreign, options, questions)
    if questions:
        raise UsageError(f"{model}: missing information, give it by options: {'; '.join(questions)}")
    file = read_model_file(model)
    admit(file, (foreign.height, foreign.width))
    original = _Original(foreign, file.content, mean, std, options.color)
    manifest = _manifest(foreign, labels, options, _integer_rule(mean, std))
    images, which = _images(manifest, options)
    scores = _kind_of_scores(foreign, labels, original(images[:8]))
    reporter.stage("adopting")(0, 1)
    adopted = build_adopted(foreign, manifest, mean, std, options.color, scores)

    def examine(session: ModelSession) -> tuple[Parity, GoldenSamples | None]:
        progress = reporter.stage("comparing with the original")

        def answers(batch: Image) -> tuple[NDArray[np.float64], None]:
            return _probabilities(original(batch), scores), None

        parity = compare(answers, session, images, which, progress)
        if not parity.max_abs_diff <= _TOLERANCE:
            raise GateError(
                f"{model}: the adopted graph differs from it by {parity.max_abs_diff:.2g} in a probability (allowed "
                f"{_TOLERANCE:g}); not written; please report this network as a bug"
            )
        if options.golden == "none":
            return parity, None
        synthetic = synthetic_images(manifest.input.height, manifest.input.width)
        return parity, choose(session, images if options.golden == "data" else synthetic, "fp32")

    try:
        return write_examined(adopted, path, manifest, None, examine, start)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(
            f"{model}: onnx.checker reports an invalid graph: {ort_reason(error)}; export it again"
        ) from error


def _statistics(
    foreign: ForeignModel, options: AdoptOptions, questions: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation in pixel values, ``[1]`` or ``[3]``.

    A network that takes uint8 pixels normalises by itself.
    """
    if foreign.dtype == TensorProto.UINT8:
        if options.mean is not None or options.std is not None:
            raise UsageError(
                f"--mean and --std: {foreign.path} takes uint8 pixels and normalizes them itself; omit these options"
            )
        return np.zeros(1), np.ones(1)
    if options.mean is None or options.std is None:
        missing = " and ".join(
            name for name, value in (("--mean", options.mean), ("--std", options.std)) if value is None
        )
        questions.append(
            f"the normalization ({missing}, for pixels from 0 to 1; ImageNet's are 0.485,0.456,0.406 and "
            "0.229,0.224,0.225)"
        )
        return np.zeros(1), np.ones(1)
    for name, values in (("--mean", options.mean), ("--std", options.std)):
        if len(values) not in (1, 3) or not np.isfinite(values).all():
            raise UsageError(f"{name} {','.join(f'{v:g}' for v in values)}: expected one number, or three")
    if max(*map(abs, options.mean), *options.std) > _LARGEST_STATISTIC:
        raise UsageError("--mean and --std: expected values for pixels from 0 to 1; divide values for 0 to 255 by 255")
    if min(options.std) <= 0:
        raise UsageError(f"--std {','.join(f'{v:g}' for v in options.std)}: expected above 0")
    return 255 * np.array(options.mean), 255 * np.array(options.std)


def _integer_rule(mean: NDArray[np.float64], std: NDArray[np.float64]) -> Normalization | None:
    """One integer zero point and one scale where the normalisation is that simple.

    The pixels are then the first quantized tensor.
    """
    if np.ptp(mean) == 0 and np.ptp(std) == 0 and abs(mean[0] - round(mean[0])) < 1e-6 and 0 <= mean[0] <= 255:
        return Normalization(round(mean[0]), float(std[0]))
    return None


def _manifest(
    foreign: ForeignModel, labels: tuple[str, ...], options: AdoptOptions, rule: Normalization | None
) -> Manifest:
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise UsageError(
            f"{options.labels or foreign.path}: {len(labels)} labels, {len(set(labels))} of them different; expected "
            "at least two, no two alike"
        )
    if not 0 < options.crop_fraction <= 1:
        raise UsageError(f"--crop-fraction {options.crop_fraction:g}: expected above 0, at most 1")
    return Manifest(
        labels=labels,
        input=InputSpec(foreign.height, foreign.width),
        preprocess=PreprocessSpec(
            options.resize, options.interpolation, options.crop_fraction, rule.zero_point if rule else 114
        ),
        normalization=rule or Normalization(0, 1.0),  # the network's own first step does the rest
        unknown=UnknownRule(),
        training=TrainingRecord(
            model=foreign.path.stem,
            run="adopted",
            data_sha256=hashlib.sha256(foreign.path.read_bytes()).hexdigest(),
            val_top1=None,
            seed=None,
        ),
        created_by=f"edgecnn {__version__}",
    )


def _images(manifest: Manifest, options: AdoptOptions) -> tuple[Image, str]:
    if options.data is None:
        if options.golden == "data":
            raise UsageError("--golden data: name the images with --data")
        return synthetic_images(
            manifest.input.height, manifest.input.width
        ), "synthetic images; give real ones with --data"
    if not options.data.is_dir():
        raise InputNotFoundError(f"--data {options.data}: no such folder; check the path")
    paths = find_images(options.data)
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, min(len(paths), _IMAGES)).astype(int)]
    loaded = [batch.images for batch in fitted_batches(chosen, manifest, 32)]
    if not sum(map(len, loaded)):
        raise DataError(f"{options.data}: no image can be read")
    return np.concatenate(loaded), f"{sum(map(len, loaded))} images of {options.data}"


class _Original:
    """The original file, with the preprocessing that its calling code needs."""

    def __init__(
        self, foreign: ForeignModel, content: bytes, mean: NDArray[np.float64], std: NDArray[np.float64], color: str
    ) -> None:
        self._foreign, self._mean, self._std, self._color = foreign, mean, std, color
        try:
            self._session = open_on_cpu(content, new_options(severity=SILENT))
        except Exception as error:  # onnxruntime's own exceptions share no base
            raise ModelError(f"{foreign.path}: onnxruntime cannot load it: {ort_reason(error)}") from error

    def __call__(self, images: Image) -> NDArray[np.float32]:
        """uint8 ``[N, H, W, 3]`` RGB -> scores ``[N, C]``."""
        size = self._foreign.batch or len(images)
        found = [self._run(images[i : i + size]) for i in range(0, len(images), size)]
        return np.concatenate(found)[: len(images)]

    def _run(self, images: Image) -> NDArray[np.float32]:
        foreign = self._foreign
        if foreign.batch is not None and len(images) < foreign.batch:
            images = np.concatenate([images, np.repeat(images[-1:], foreign.batch - len(images), 0)])
        batch: NDArray[Any] = images[..., ::-1] if self._color == "bgr" else images
        if foreign.dtype != TensorProto.UINT8:
            batch = ((batch - self._mean) / self._std).astype(onnx.helper.tensor_dtype_to_np_dtype(foreign.dtype))
        if foreign.layout == "nchw":
            batch = batch.transpose(0, 3, 1, 2)
        try:
            (scores,) = self._session.run([foreign.output], {foreign.input: np.ascontiguousarray(batch)})
        except Exception as error:
            raise ModelError(
                f"{foreign.path}: onnxruntime cannot run it on {foreign.width} x {foreign.height} pixels: "
                f"{ort_reason(error)}"
            ) from error
        return np.asarray(scores, np.float32).reshape(len(batch), -1)


def _kind_of_scores(foreign: ForeignModel, labels: tuple[str, ...], found: NDArray[np.float32]) -> Scores:
    """By the operator that the graph ends in, and by the values."""
    columns = found.shape[1]
    if columns != len(labels) and not (columns == 1 and len(labels) == 2):
        raise UsageError(
            f"{foreign.path}: the number of scores ({columns}) differs from the number of labels "
            f"({len(labels)}); correct --labels"
        )
    last = ends_in(foreign.proto.graph, foreign.output)
    if columns == 1:
        return "probability" if last is not None and last.op_type == "Sigmoid" else "logit"
    normalised = bool((found >= 0).all() and np.abs(found.sum(1) - 1).max() < 1e-3)
    if last is not None and last.op_type == "Sigmoid":
        raise ModelError(
            f"{foreign.path}: gives each class a probability of its own (Sigmoid); a classifier gives one answer an "
            "image"
        )
    return "probabilities" if normalised else "logits"


def _probabilities(scores: NDArray[np.float32], kind: Scores) -> NDArray[np.float64]:
    """``[N, C]``, rows sum to 1."""
    exact = scores.astype(np.float64)
    if kind == "probabilities":
        return exact
    if kind in ("logit", "probability"):
        second = 1 / (1 + np.exp(-exact)) if kind == "logit" else exact
        return np.concatenate([1 - second, second], 1)
    powers = np.exp(exact - exact.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))
