"""Quantization: calibrates, quantizes, evaluates on held-out images, measures the speed, and writes the int8 file if it
passes both gates."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from onnx import ModelProto

from edgecnn.atomic import atomic_path, check_apart, check_writable
from edgecnn.data.clips.frame_rate import check_rate
from edgecnn.data.image_folder import find_images
from edgecnn.data.loading import Skipped
from edgecnn.errors import GateError, UsageError
from edgecnn.progress import Reporter, Silent
from edgecnn.runtime.admission.admission import admit_own
from edgecnn.runtime.analysis.inspect import inspect_model
from edgecnn.runtime.session.model_file import read_model_file
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from exporters.graph.average_pools import hanging_pools
from exporters.graph.float_model import parse_float_model, prepare_graph
from exporters.graph.unquantizable import kept_float
from exporters.ood_threshold import Rejection, match_rejection
from exporters.options import QuantizeOptions, TargetName
from exporters.quantization.acceptance import AcceptanceTest, Attempt, Gates, Measured
from exporters.quantization.calibrate import METHODS
from exporters.quantization.candidates import (
    AUTO,
    CORRECTED_ON,
    Calibrated,
    Candidate,
    calibrate,
    make_candidate,
    observed_ranges,
    write_candidate,
)
from exporters.quantization.equalize import equalize
from exporters.quantization.eval_images import MIN_IMAGES, QuantizationImages, choose_images
from exporters.quantization.mixed_precision import measure_sensitivity, mixed_candidates
from exporters.quantization.qdq import never_quantized
from exporters.quantization.targets import TARGETS, Target
from exporters.temporal.clip_file import find_clip_graph, require_step_name, write_clip_form
from exporters.temporal.cnn_part import cut_cnn
from exporters.temporal.quantization_clips import choose_clips
from exporters.temporary_names import naming

__all__ = [
    "Attempt",
    "Calibration",
    "Measured",
    "QuantizeResult",
    "Rejection",
    "quantize",
    "quantize_for",
]

Decision = Literal["int8", "mixed", "fp32"]

_EQUALIZED_ON = 32  # images


@dataclass(frozen=True)
class Calibration:
    """How the activation ranges were calibrated."""

    method: str
    corrected: bool  # weights and biases, layer by layer
    stem_folded: bool  # the first convolution on the quick path
    images: int
    tried: dict[str, float]  # mean KL to float of each attempt, on all calibration images


@dataclass(frozen=True)
class KeptFloat:
    """A node that cannot be quantized, or whose integer result would differ, with the reason."""

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class QuantizeResult:
    """The report of ``edgecnn quantize``; field names are the JSON keys.

    If `decision` is `fp32`, the metrics are those of the last rejected candidate.
    """

    file: str
    target: TargetName
    decision: Decision
    reason: str
    float_: Measured
    quantized: Measured
    top1_drop: float | None
    agreement: float
    kl: float
    images: int
    held_out: bool  # the evaluated images were neither trained nor calibrated on
    speedup: float | None  # None where the file is for another machine
    size_bytes: int  # of the file that ships
    calibration: Calibration
    rejection: Rejection | None  # None where the model rejects nothing, or the images are too few to tell
    float_nodes: tuple[str, ...]  # what stays in float
    kept_float: tuple[KeptFloat, ...]  # of these, what integers cannot compute, with the reason
    attempts: tuple[Attempt, ...]  # everything that was evaluated, in order
    note: str  # which images it was evaluated on
    skipped: tuple[Skipped, ...]
    clip_file: str | None = None  # of a recurrent model, where the float file has one beside it


def quantize(
    model: str | Path,
    data: str | Path,
    path: str | Path,
    options: QuantizeOptions | None = None,
    reporter: Reporter | None = None,
) -> QuantizeResult:
    """Quantizes a float model file to int8. The result must pass an accuracy gate and a speed gate.

    If int8 loses too much accuracy, the most sensitive blocks stay float (mixed precision). If it is too slow, or mixed
    precision does not help, the float model is written.

    Args:
        model: a float file that ``edgecnn export`` or ``edgecnn adopt`` wrote.
        data: a dataset: that of the training run, or another. Without labels the accuracy gate is agreement.
        path: the file to write: int8, mixed, or the float model where a gate failed.
        options: method, target and gates.
        reporter: receives stages and progress.

    Raises:
        InputNotFoundError, ModelError, ManifestError: the model cannot be used.
        DataError: the images cannot calibrate or evaluate it.
        GateError: a gate failed and ``strict`` is set; no file is written.
        OutputError: the file cannot be written.
    """
    options = options or QuantizeOptions()
    return quantize_for(model, data, {options.target: path}, options, reporter)[0]


def quantize_for(
    model: str | Path,
    data: str | Path,
    paths: Mapping[TargetName, str | Path],
    options: QuantizeOptions | None = None,
    reporter: Reporter | None = None,
) -> tuple[QuantizeResult, ...]:
    """As :func:`quantize`, for several targets from one calibration.

    ``paths`` has an output file per target; ``options.target`` is ignored.
    """
    options, reporter, model = options or QuantizeOptions(), reporter or Silent(), Path(model)
    _check(options, paths)
    for path in paths.values():
        check_apart(Path(path), model)
        check_writable(Path(path))
    file = read_model_file(model)  # once: what is quantized, what is compared with and what ships instead are the same
    proto = parse_float_model(model, file.content)
    session = open_session(file, "cpu")
    clip = None
    if session.manifest.temporal is not None:
        for path in paths.values():
            require_step_name(Path(path))
        clip = find_clip_graph(model, proto)
    prepare_graph(model, proto, session)
    chosen = _choose(Path(data), session, options)
    for path in paths.values():
        check_apart(Path(path), *find_images(Path(data)))
    reporter.plan(_plan(len(chosen.calibration), len(chosen.evaluated), _methods(options), len(paths)))
    images = chosen.calibration_set(session, reporter.stage("reading calibration images"))
    cnn = proto if session.manifest.temporal is None else cut_cnn(proto)
    calibrated = calibrate(
        equalize(cnn, images.fitted[:_EQUALIZED_ON]), session, images, reporter, None if cnn is proto else proto
    )
    acceptance = AcceptanceTest.from_float(
        session, file, chosen, Gates(options.max_drop, options.min_speedup), reporter
    )
    targets = [(TARGETS[name], Path(path)) for name, path in paths.items()]
    return tuple(
        _quantize_one(calibrated, replace(acceptance, here=target.here), target, path, options, images.skipped, clip)
        for target, path in targets
    )


def _choose(data: Path, session: ModelSession, options: QuantizeOptions) -> QuantizationImages:
    check_rate(session.manifest, options.fps)
    if session.manifest.temporal is not None:
        clips = choose_clips(data, session, options.samples, options.seed, options.fps)
        return replace(clips, max_pixels=options.max_pixels)
    return replace(choose_images(data, session, options.samples, options.seed), max_pixels=options.max_pixels)


def _methods(options: QuantizeOptions) -> tuple[str, ...]:
    return AUTO if options.method == "auto" else (options.method,)


def _plan(calibration: int, evaluated: int, methods: Sequence[str], targets: int) -> list[tuple[str, float]]:
    """The stages that every quantization has, with the time of each relative to the evaluation of one image.

    The factors were measured with efficientnet_lite0. Blocks that stay in float come on top.
    """
    corrections = [("correcting layers", 4.0 * min(calibration, CORRECTED_ON))]
    if len(methods) > 1:
        corrections.insert(0, ("comparing methods", 200.0 + 1.0 * len(methods) * calibration))
    return [
        ("reading calibration images", 0.7 * calibration),
        ("calibrating", 2.4 * calibration),
        ("evaluating float", 1.0 * evaluated),
        *[*corrections, ("evaluating int8", 1.0 * evaluated)] * targets,
    ]


@dataclass(frozen=True)
class _Trial:
    """An evaluated candidate and its file."""

    candidate: Candidate
    file: Path
    stem_folded: bool
    attempt: Attempt
    rejection: Rejection | None


def _quantize_one(
    calibrated: Calibrated,
    acceptance: AcceptanceTest,
    target: Target,
    path: Path,
    options: QuantizeOptions,
    skipped: tuple[Skipped, ...],
    clip: ModelProto | None,
) -> QuantizeResult:
    methods = _methods(options)
    with tempfile.TemporaryDirectory(prefix="edgecnn-") as folder:
        first = make_candidate(calibrated, target, methods, Path(folder), acceptance.reporter)
        trials = _try_out(calibrated, first, acceptance, Path(folder))
        last = trials[-1]
        decision, reason = decide([trial.attempt for trial in trials], acceptance)
        if options.strict and decision == "fp32":
            raise GateError(f"{acceptance.file.path}: {reason}; no file was written because of --strict")
        with atomic_path(path) as temporary, naming(temporary, path):
            temporary.write_bytes(acceptance.file.content if decision == "fp32" else last.file.read_bytes())
            admit_own(replace(read_model_file(temporary), path=path))
        return QuantizeResult(
            file=str(path),
            target=target.name,
            decision=decision,
            reason=reason,
            float_=last.attempt.float_,
            quantized=last.attempt.quantized,
            top1_drop=last.attempt.top1_drop,
            agreement=last.attempt.agreement,
            kl=last.attempt.kl,
            images=last.attempt.images,
            held_out=acceptance.chosen.held_out,
            speedup=last.attempt.speedup,
            size_bytes=path.stat().st_size,
            calibration=Calibration(
                method=first.method,
                corrected=first.corrected,
                stem_folded=last.stem_folded,
                images=len(calibrated.fitted),
                tried=first.tried,
            ),
            rejection=last.rejection,
            float_nodes=inspect_model(last.file).float_nodes,
            kept_float=_kept_float(calibrated),
            attempts=tuple(trial.attempt for trial in trials),
            note=acceptance.chosen.note,
            clip_file=None if clip is None else str(write_clip_form(clip, path)),
            skipped=(*skipped, *acceptance.expected.skipped),
        )


def _try_out(calibrated: Calibrated, first: Candidate, acceptance: AcceptanceTest, folder: Path) -> list[_Trial]:
    """Tries the full int8 model. If it is fast but not accurate enough, keeps more and more blocks in float, until both
    gates pass or the speed gate fails."""
    trials = [_evaluate(calibrated, first, (), acceptance, folder / "int8.onnx")]
    if trials[0].attempt.accurate or not trials[0].attempt.fast:
        return trials
    sensitive = measure_sensitivity(calibrated, first, folder, acceptance.reporter)
    for candidate, blocks in mixed_candidates(calibrated, first, sensitive, acceptance.reporter):
        trials.append(_evaluate(calibrated, candidate, blocks, acceptance, folder / f"mixed{len(blocks)}.onnx"))
        if trials[-1].attempt.accurate or not trials[-1].attempt.fast:
            break
    return trials


def _evaluate(
    calibrated: Calibrated, candidate: Candidate, blocks: tuple[str, ...], acceptance: AcceptanceTest, path: Path
) -> _Trial:
    folded = write_candidate(calibrated, candidate, path)
    attempt, found = acceptance.evaluate(path, "mixed" if blocks else "int8", blocks)
    rejection = match_rejection(path, calibrated.session.manifest.unknown, acceptance.expected, found)
    return _Trial(candidate=candidate, file=path, stem_folded=folded, attempt=attempt, rejection=rejection)


def decide(attempts: Sequence[Attempt], acceptance: AcceptanceTest) -> tuple[Decision, str]:
    """Decides by point estimates. The reason says if there are too few of them to resolve the accuracy gate."""
    first, last, noun = attempts[0], attempts[-1], acceptance.chosen.noun
    told = acceptance.explain(last)
    if last.holds and not last.float_blocks:
        return "int8", f"int8 holds on {last.images} {noun}: {told}"
    if last.holds:
        blocks = _counted(len(last.float_blocks))
        return (
            "mixed",
            (
                f"with {blocks} in float it holds on {last.images} {noun}: {told}; int8 alone failed: "
                f"{acceptance.explain(first)}"
            ),
        )
    failed = f"the float model ships, int8 failed its gate on {first.images} {noun}: {acceptance.explain(first)}"
    if len(attempts) == 1:
        return "fp32", failed
    return "fp32", f"{failed}; nor does it hold with {_counted(len(last.float_blocks))} in float: {told}"


def _counted(blocks: int) -> str:
    return f"{blocks} block" if blocks == 1 else f"{blocks} blocks"


def _check(options: QuantizeOptions, targets: Iterable[str]) -> None:
    for target in targets:
        if target not in TARGETS:
            raise UsageError(f"--target {target}: unknown target; known targets: {', '.join(TARGETS)}")
    if options.samples < MIN_IMAGES:
        raise UsageError(f"--samples {options.samples}: expected at least {MIN_IMAGES}")
    if options.max_drop < 0 or options.min_speedup < 0:
        raise UsageError(
            f"--max-drop {options.max_drop:g} and --min-speedup {options.min_speedup:g}: expected 0 or more"
        )
    if options.method != "auto" and options.method not in METHODS:
        raise UsageError(f"--method {options.method}: unknown method; known methods: auto, {', '.join(METHODS)}")


def _kept_float(calibrated: Calibrated) -> tuple[KeptFloat, ...]:
    reasons = kept_float(calibrated.model, observed_ranges(calibrated))
    outside = set(never_quantized(calibrated.model)) - set(hanging_pools(calibrated.model))
    return tuple(
        KeptFloat(node.name, node.op_type, reasons[node.name])
        for node in calibrated.model.graph.node
        if node.name in reasons and node.name not in outside
    )
