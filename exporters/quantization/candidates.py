"""Int8 candidates of a float model from one calibration, by method, target and float blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgecnn._version import __version__
from edgecnn.evaluation.metrics import mean_kl
from edgecnn.manifest import EXACT_KEY, Precision
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter
from edgecnn.runtime.golden.choice import choose, synthetic_images
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.onnx_file.pair_sums import is_exact
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters.graph.hard_sigmoid import hard_sigmoid_ranges
from exporters.graph.metadata import describe, write_unchecked
from exporters.quantization.calibrate import Histogram, Range, collect_histograms, find_ranges
from exporters.quantization.eval_images import CalibrationSet, Compared
from exporters.quantization.layer_correction import correct_layers
from exporters.quantization.qdq import to_qdq
from exporters.quantization.stem_fold import fold_stem
from exporters.quantization.targets import Target
from exporters.quantization.tensorrt import for_tensorrt, restore_activations
from exporters.temporal.cnn_part import with_cnn
from exporters.temporal.golden_sequences import golden_sequences, sequences_of

__all__ = [
    "AUTO",
    "CORRECTED_ON",
    "Calibrated",
    "Candidate",
    "calibrate",
    "divergence",
    "make_candidate",
    "observed_ranges",
    "plain_candidate",
    "with_float_blocks",
    "write_candidate",
]

AUTO = ("minmax", "mse", "percentile")  # tried by `auto`; entropy has never won here
CORRECTED_ON = 128  # images on which layers are corrected: 0.4 dB better than 48


@dataclass(frozen=True, eq=False)
class Reference:
    """Images or clips to compare candidates on, and what the float model answers."""

    compared: Compared
    expected: NDArray[np.float32]  # probabilities [M, C]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A float model and its activation histograms, for every target."""

    model: ModelProto
    session: ModelSession
    histograms: dict[str, Histogram]
    fitted: Image
    shown: Reference  # all calibration images
    aside: Reference  # those that nothing is fitted on
    step: ModelProto | None = None  # of a recurrent model, the graph that `model` is the CNN of

    def whole(self, model: ModelProto) -> ModelProto:
        """The whole graph with a form of `model` in it; a copy."""
        if self.step is not None:
            return with_cnn(self.step, model)
        copy = ModelProto()
        copy.CopyFrom(model)
        return copy


@dataclass(frozen=True)
class Candidate:
    """A QDQ model, not yet in its target's last form."""

    model: ModelProto
    target: Target
    method: str
    corrected: bool
    tried: dict[str, float]  # mean KL to float of each attempt, on all calibration images
    stay_float: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """As the report names the attempt."""
        return f"{self.method}, layers corrected" if self.corrected else self.method


def calibrate(
    model: ModelProto, session: ModelSession, images: CalibrationSet, reporter: Reporter, step: ModelProto | None = None
) -> Calibrated:
    """Calibrates on images.

    Args:
        model: the float graph, or the CNN of a recurrent model.
        session: the whole float model.
        images: for the ranges, and those set aside for comparing candidates.
        reporter: receives stages and progress.
        step: of a recurrent model, the graph that ``model`` is the CNN of.
    """
    histograms = collect_histograms(model, images.fitted, reporter.stage("calibrating"))
    aside = Reference(images.aside, images.aside.answers(session))
    shown = aside if images.shown is images.aside else Reference(images.shown, images.shown.answers(session))
    return Calibrated(
        model=model,
        session=session,
        histograms=histograms,
        fitted=images.fitted,
        shown=shown,
        aside=aside,
        step=step,
    )


def make_candidate(
    calibrated: Calibrated, target: Target, methods: tuple[str, ...], folder: Path, reporter: Reporter
) -> Candidate:
    """Quantizes by the method with the least KL to float, and corrects the layers where that lowers it.

    A method is one choice of three, which all calibration images tell best: on a few of them alone it would be luck.
    What correcting gave is judged by images that nothing was fitted on. Corrected forms of two methods differ by less
    than the draw of the images, so only one is made.
    """
    progress = reporter.stage("comparing methods") if len(methods) > 1 else None
    plain: list[Candidate] = []
    tried: dict[str, float] = {}
    for method in methods:
        model = quantize_once(calibrated, target, method)
        plain.append(Candidate(model=model, target=target, method=method, corrected=False, tried={}))
        tried[method] = divergence(calibrated, model, folder, calibrated.shown)
        if progress is not None:
            progress(len(plain), len(methods))
    best = min(plain, key=lambda candidate: tried[candidate.method])
    corrected = replace(best, model=correct(calibrated, best.model, target, reporter), corrected=True)
    tried[corrected.name] = divergence(calibrated, corrected.model, folder, calibrated.shown)
    found = min((corrected, best), key=lambda candidate: divergence(calibrated, candidate.model, folder))
    return replace(found, tried=tried)


def with_float_blocks(
    calibrated: Calibrated, candidate: Candidate, stay_float: frozenset[str], reporter: Reporter
) -> Candidate:
    """Keeps some nodes of the candidate in float, and corrects its layers again if they were corrected.

    The layers after these nodes were corrected for other inputs.
    """
    plain = plain_candidate(calibrated, candidate, stay_float)
    return (
        replace(plain, model=correct(calibrated, plain.model, candidate.target, reporter))
        if candidate.corrected
        else plain
    )


def plain_candidate(calibrated: Calibrated, candidate: Candidate, stay_float: frozenset[str]) -> Candidate:
    """Quantizes by the candidate's method, without corrected layers."""
    return replace(
        candidate,
        model=quantize_once(calibrated, candidate.target, candidate.method, stay_float),
        stay_float=stay_float,
    )


def quantize_once(
    calibrated: Calibrated, target: Target, method: str, stay_float: frozenset[str] = frozenset()
) -> ModelProto:
    """Quantizes by one method, without corrected layers."""
    ranges = observed_ranges(calibrated, method)
    model = to_qdq(calibrated.model, ranges, calibrated.session.manifest.normalization, target, stay_float)
    if target.name == "tensorrt":  # before anything is corrected or compared
        restore_activations(model, calibrated.model)
    return model


def observed_ranges(calibrated: Calibrated, method: str = "minmax") -> dict[str, Range]:
    """The range of every tensor that has one."""
    return hard_sigmoid_ranges(calibrated.model, find_ranges(calibrated.model, calibrated.histograms, method))


def correct(calibrated: Calibrated, plain: ModelProto, target: Target, reporter: Reporter) -> ModelProto:
    """Corrects the layers on some of the calibration images."""
    images, progress = calibrated.fitted[:CORRECTED_ON], reporter.stage("correcting layers")
    return correct_layers(plain, calibrated.model, images, progress, paired=target.paired)


def divergence(calibrated: Calibrated, model: ModelProto, folder: Path, on: Reference | None = None) -> float:
    """Mean KL to the float model in nats; by default on what nothing was fitted on."""
    path = folder / "compared.onnx"
    described = calibrated.whole(model)
    describe(described, calibrated.session.manifest.replace(precision="int8"), None, None)
    write_unchecked(described, path)
    session = open_session(path, "cpu", trusted=True)
    reference = on or calibrated.aside
    return mean_kl(reference.expected, reference.compared.answers(session))


def write_candidate(calibrated: Calibrated, candidate: Candidate, path: Path) -> bool:
    """Writes the candidate in the final form of its target, with manifest and golden samples.

    Returns whether the stem was folded."""
    model = candidate.model
    folded = fold_stem(model) if candidate.target.pixels_enter else None
    if candidate.target.name == "tensorrt":
        model = for_tensorrt(model)
    model = calibrated.whole(folded or model)
    session = calibrated.session
    precision: Precision = "mixed" if candidate.stay_float else "int8"
    manifest = session.manifest.replace(
        precision=precision,
        created_by=f"edgecnn {__version__}",
        opencv=session.manifest.opencv or cv2.__version__,  # of a network trained elsewhere: it decoded these images
    )
    describe(model, manifest, session.split_record, None)
    if is_exact(model.SerializeToString(), path):
        model.metadata_props.add(key=EXACT_KEY, value="1")
    write_unchecked(model, path)
    if session.description.golden_json is not None:  # the int8 file proves its own arithmetic, not the float file's
        described = _golden(session.description.golden(), open_session(path, "cpu", trusted=True), precision)
        describe(model, manifest, session.split_record, described)
        write_unchecked(model, path)
    return folded is not None


def _golden(floats: GoldenSamples | None, session: ModelSession, precision: Precision) -> GoldenSamples:
    """The images of the float file's samples with the answers of the int8 file."""
    if floats is not None and session.manifest.temporal is not None:
        return golden_sequences(session, sequences_of(floats), precision)
    images = floats.images if floats else synthetic_images(*session.input_shape[:2])
    return choose(session, images, precision)
