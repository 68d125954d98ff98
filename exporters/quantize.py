"""Int8 where it holds: calibrate, quantize, judge on pictures that nothing was fitted on, race, and ship the better file with the reason."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from edgecnn import __version__
from edgecnn.atomic import atomic_path
from edgecnn.errors import DataError, GateError, ModelError, UsageError
from edgecnn.evaluation import Readings, read_probabilities
from edgecnn.loading import Skipped, fitted_batches
from edgecnn.metrics import mean_kl
from edgecnn.preprocess import Image
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.cpu_features import has_vnni
from edgecnn.runtime.inspection import inspect_model
from edgecnn.runtime.session import ModelSession, open_session
from exporters.calibrate import METHODS, collect_histograms, find_ranges
from exporters.golden import choose, synthetic_pictures
from exporters.hard_sigmoid import hard_sigmoid_ranges, write_out_hard_sigmoids
from exporters.layer_correction import correct_layers
from exporters.metadata import describe, write_unchecked
from exporters.qdq import to_qdq
from exporters.quantize_pictures import ChosenPictures, choose_pictures
from exporters.rejection import Rejection, match_rejection
from exporters.speed import Race, race
from exporters.stem_fold import fold_stem

__all__ = ["Calibration", "Measured", "QuantizeOptions", "QuantizeResult", "Rejection", "quantize"]

_AUTO = ("minmax", "mse", "percentile")  # tried by `auto`; entropy has never won here
_LEAST_PICTURES = 4
_CORRECTED_ON = 48  # pictures on which layers are corrected


@dataclass(frozen=True)
class QuantizeOptions:
    """Options of ``edgecnn quantize``."""

    method: Literal["auto", "minmax", "mse", "entropy", "percentile"] = "auto"
    samples: int = 300  # pictures to calibrate on
    target: Literal["x86"] = "x86"
    max_drop: float = 0.005  # of top-1, as a fraction
    min_speedup: float = 1.1
    strict: bool = False  # a failed gate is an error
    seed: int = 0


@dataclass(frozen=True)
class Measured:
    """One model's accuracy on the judged pictures and its latency at one thread."""

    top1: float | None  # None without labels
    latency_ms: float


@dataclass(frozen=True)
class Calibration:
    """How the ranges were found."""

    method: str
    corrected: bool  # weights and biases, layer by layer
    stem_folded: bool  # the first convolution on the quick path
    images: int
    tried: dict[str, float]  # mean KL to float of each attempt, on calibration pictures set aside for the choice


@dataclass(frozen=True)
class QuantizeResult:
    """What ``edgecnn quantize`` reports; keys as in the contract. Where `decision` is `fp32` the figures are the rejected candidate's."""

    file: str
    decision: Literal["int8", "mixed", "fp32"]
    reason: str
    float_: Measured
    quantized: Measured
    top1_drop: float | None
    agreement: float
    kl: float
    images: int
    held_out: bool  # the judged pictures were neither trained nor calibrated on
    speedup: float
    size_bytes: int  # of the file that ships
    calibration: Calibration
    rejection: Rejection | None  # None where the model rejects nothing, or the pictures are too few to tell
    float_nodes: tuple[str, ...]  # what stays in float
    note: str  # which pictures judged
    skipped: tuple[Skipped, ...]


def quantize(
    model: str | Path,
    data: str | Path,
    path: str | Path,
    options: QuantizeOptions | None = None,
    reporter: Reporter | None = None,
) -> QuantizeResult:
    """Makes the int8 form of a float model file, and ships it only if it holds.

    Args:
        model: a float file that ``edgecnn export`` wrote.
        data: a folder of pictures; the run's own, or others. Without labels agreement is the gate.
        path: the file to write: int8, or the float model where a gate failed.
        options: how, and the gates.
        reporter: told of stages and progress.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the model cannot be used.
        DataError: the pictures cannot calibrate or judge it.
        GateError: with ``strict``, where a gate failed; nothing is written then.
        OutputError: the file cannot be written.
    """
    options, reporter, model, path = options or QuantizeOptions(), reporter or Silent(), Path(model), Path(path)
    _check(options)
    session = open_session(model, "cpu")
    proto = _load(model, session)
    chosen = choose_pictures(Path(data), session, options.samples, options.seed)
    pictures, skipped = _read(chosen.calibration, session, reporter)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        candidate, calibration = _best_candidate(proto, pictures, session, options, Path(folder), reporter)
        judged = _judge(session, open_session(candidate, "cpu"), chosen, reporter)
        rejection = match_rejection(candidate, session.manifest.unknown, judged.expected, judged.found)
        reporter.stage("racing float and int8")(0, 1)
        raced = race(model, candidate)
        verdict = _decide(judged, raced, options)
        if options.strict and verdict.decision == "fp32":
            raise GateError(f"{model}: {verdict.reason}; nothing was written, as --strict asks")
        shipped = candidate if verdict.decision == "int8" else model
        with atomic_path(path) as temporary:
            shutil.copyfile(shipped, temporary)
        return QuantizeResult(
            file=str(path),
            decision=verdict.decision,
            reason=verdict.reason,
            float_=Measured(judged.float_top1, raced.first_ms),
            quantized=Measured(judged.int8_top1, raced.second_ms),
            top1_drop=judged.drop,
            agreement=judged.agreement,
            kl=judged.kl,
            images=judged.images,
            held_out=chosen.held_out,
            speedup=raced.speedup,
            size_bytes=path.stat().st_size,
            calibration=calibration,
            rejection=rejection,
            float_nodes=inspect_model(candidate).float_nodes,
            note=chosen.note,
            skipped=(*skipped, *judged.expected.skipped),
        )


def _check(options: QuantizeOptions) -> None:
    if options.samples < _LEAST_PICTURES:
        raise UsageError(f"--samples {options.samples}: expected at least {_LEAST_PICTURES}")
    if options.max_drop < 0 or options.min_speedup < 0:
        raise UsageError(f"--max-drop {options.max_drop:g} and --min-speedup {options.min_speedup:g}: expected 0 or more")
    if options.method != "auto" and options.method not in METHODS:
        raise UsageError(f"--method {options.method}: there are auto, {', '.join(METHODS)}")


def _load(path: Path, session: ModelSession) -> ModelProto:
    if session.manifest.precision != "fp32":
        raise ModelError(f"{path}: is {session.manifest.precision} already; quantize the fp32 file that `edgecnn export` wrote")
    proto = onnx.load(path, load_external_data=False)
    if proto.graph.input[0].type.tensor_type.elem_type != onnx.TensorProto.UINT8:
        raise ModelError(f"{path}: has the layout nchw-float32; export it with --layout nhwc-uint8 to quantize it")
    write_out_hard_sigmoids(proto)
    return proto


def _read(paths: Sequence[Path], session: ModelSession, reporter: Reporter) -> tuple[Image, list[Skipped]]:
    progress = reporter.stage("reading calibration pictures")
    images: list[Image] = []
    skipped: list[Skipped] = []
    for batch in fitted_batches(paths, session.manifest, 32):
        images.append(batch.images)
        skipped += batch.skipped
        progress(sum(map(len, images)) + len(skipped), len(paths))
    found = np.concatenate(images)
    if len(found) < _LEAST_PICTURES:
        raise DataError(f"{paths[0].parent}: {len(found)} readable pictures to calibrate on, at least {_LEAST_PICTURES} are needed")
    return found, skipped


def _best_candidate(
    proto: ModelProto, pictures: Image, session: ModelSession, options: QuantizeOptions, folder: Path, reporter: Reporter
) -> tuple[Path, Calibration]:
    """Quantizes by each method in question, then corrects the layers; each choice falls by KL to float, on pictures set aside for that."""
    methods = _AUTO if options.method == "auto" else (options.method,)
    aside = max(1, len(pictures) // 4)
    fitted, compared = pictures[aside:], pictures[:aside]
    histograms = collect_histograms(proto, fitted, reporter.stage("calibrating"))
    expected = session.probabilities(compared)
    progress = reporter.stage("quantizing")
    found: dict[str, float] = {}
    models: dict[str, ModelProto] = {}
    path = folder / "candidate.onnx"

    def try_out(name: str, model: ModelProto) -> None:
        models[name] = model
        _write_candidate(model, session, path)
        found[name] = mean_kl(expected, open_session(path, "cpu").probabilities(compared))

    for i, method in enumerate(methods):
        ranges = hard_sigmoid_ranges(proto, find_ranges(proto, histograms, method))
        try_out(method, to_qdq(proto, ranges, session.manifest.normalization, reduce_range=not has_vnni()))
        progress(i + 1, len(methods), method)
    plain = min(found, key=found.__getitem__)
    levels = 127 if has_vnni() else 63
    corrected = correct_layers(models[plain], proto, fitted[:_CORRECTED_ON], reporter.stage("correcting layers"), levels=levels)
    try_out(f"{plain}, layers corrected", corrected)
    best = min(found, key=found.__getitem__)
    folded = fold_stem(models[best])
    _write_candidate(folded or models[best], session, path, golden=True)
    return path, Calibration(plain, best != plain, folded is not None, len(fitted), found)


def _write_candidate(quantized: ModelProto, session: ModelSession, path: Path, *, golden: bool = False) -> None:
    manifest = session.manifest.replace(precision="int8", created_by=f"edgecnn {__version__}")
    describe(quantized, manifest, session.split_record, None)
    write_unchecked(quantized, path)
    if golden and session.description.golden_json is not None:  # the int8 file proves its own arithmetic, not the float file's
        pictures = session.description.golden()
        candidates = pictures.images if pictures else synthetic_pictures(*session.input_shape[:2])
        describe(quantized, manifest, session.split_record, choose(open_session(path, "cpu"), candidates, "int8"))
        write_unchecked(quantized, path)


@dataclass(frozen=True)
class _Judged:
    images: int
    float_top1: float | None
    int8_top1: float | None
    lost: int  # pictures that float has right and int8 wrong
    won: int
    agreement: float
    kl: float
    expected: Readings  # of the float model
    found: Readings  # of the int8 model

    @property
    def drop(self) -> float | None:
        """Of top-1; None without labels."""
        return None if self.float_top1 is None or self.int8_top1 is None else self.float_top1 - self.int8_top1


def _judge(float_session: ModelSession, int8_session: ModelSession, chosen: ChosenPictures, reporter: Reporter) -> _Judged:
    expected, found = (
        read_probabilities(s, chosen.judged, reporter.stage(f"judging {name}")) for s, name in ((float_session, "float"), (int8_session, "int8"))
    )
    a, b = expected.probabilities.argmax(1), found.probabilities.argmax(1)
    truth = _truth(chosen, expected)
    right_a, right_b = (a == truth, b == truth) if truth is not None else (None, None)
    return _Judged(
        images=len(a),
        float_top1=None if right_a is None else float(right_a.mean()),
        int8_top1=None if right_b is None else float(right_b.mean()),
        lost=0 if right_a is None or right_b is None else int((right_a & ~right_b).sum()),
        won=0 if right_a is None or right_b is None else int((right_b & ~right_a).sum()),
        agreement=float((a == b).mean()),
        kl=mean_kl(expected.probabilities, found.probabilities),
        expected=expected,
        found=found,
    )


def _truth(chosen: ChosenPictures, readings: Readings) -> NDArray[np.intp] | None:
    return None if chosen.truth is None else np.array([chosen.truth[i] for i in readings.indices])


@dataclass(frozen=True)
class _Verdict:
    decision: Literal["int8", "fp32"]
    reason: str


def _decide(judged: _Judged, raced: Race, options: QuantizeOptions) -> _Verdict:
    """Both gates, by their point estimates; the reason says where the pictures are too few to resolve the accuracy gate."""
    speed = f"{raced.speedup:.2f}x the speed (at least {options.min_speedup:g}x asked)"
    if judged.drop is not None:
        accuracy, accurate = f"top-1 drop {judged.drop:.4f} (at most {options.max_drop:g} allowed)", judged.drop <= options.max_drop + 1e-12
    else:
        least = max(0.0, 1 - 4 * options.max_drop)  # 0.98 by default, as `verify`; a changed answer is not always a wrong one
        accuracy, accurate = f"agrees with float on {judged.agreement:.2%} (at least {least:.2%} asked)", judged.agreement >= least
    doubt = _doubt(judged, options.max_drop)
    fast = raced.speedup >= options.min_speedup
    if accurate and fast:
        return _Verdict("int8", f"int8 holds on {judged.images} pictures: {accuracy}, {speed}{doubt}")
    failed = " and ".join(text for text, holds in ((accuracy, accurate), (speed, fast)) if not holds)
    return _Verdict("fp32", f"the float model ships, int8 failed its gate on {judged.images} pictures: {failed}{doubt}")


def _doubt(judged: _Judged, max_drop: float) -> str:
    """95 % interval of the paired drop (McNemar's variance; at least one changed picture is assumed, since none seen is no proof of none)."""
    n, changed = judged.images, judged.lost + judged.won
    if judged.drop is None:
        changed = round((1 - judged.agreement) * n)
    spread = 1.96 * max(changed - (judged.lost - judged.won) ** 2 / n, 1.0) ** 0.5 / n
    if spread <= max_drop:
        return ""
    return f"; {n} pictures are too few to resolve {max_drop:g}: the interval is ±{spread:.4f}"
