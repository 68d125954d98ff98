"""Exports a checkpoint of a recurrent model to its step file and its clip file, after comparing both with torch."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from edgecnn._version import __version__
from edgecnn.atomic import atomic_path
from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.data.clips.eval_clips import select_eval_clips
from edgecnn.errors import DataError, EdgeCNNError, GateError, InputNotFoundError, UsageError
from edgecnn.evaluation.step_model import run_steps
from edgecnn.manifest import Manifest
from edgecnn.preprocess import Image
from edgecnn.progress import Progress, Reporter
from edgecnn.runtime.golden.samples import GoldenSamples
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.training.temporal.clip_backend import ClipBackend
from exporters.graph.metadata import describe, write_unchecked
from exporters.options import OPSET, ExportOptions
from exporters.temporal.clip_file import clip_file, require_step_name
from exporters.temporal.golden_sequences import golden_sequences
from exporters.temporal.graphs import clip_graph, step_graph, trace_parts
from exporters.temporal.synthetic_clips import synthetic_clips
from exporters.temporary_names import naming
from exporters.written import ExportResult, Parity, write_examined

__all__ = ["export_clips"]

_CLIPS, _STEPS = 24, 40  # compared at most: clips, and steps of each
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class _Clips:
    """Clips to compare on, and where they come from."""

    steps: Sequence[Image]  # uint8 [T, H, W, 3] each
    source: str


def export_clips(
    backend: ClipBackend, path: Path, options: ExportOptions, reporter: Reporter, run_data: Path | None
) -> ExportResult:
    """Writes the step file ``path``, and beside it the clip file (:func:`clip_file`).

    Args:
        backend: the checkpoint.
        path: the step file. Both files are written only if the checks pass.
        options: export options.
        reporter: receives stages and progress.
        run_data: the clips of the run, if they are still there.

    Raises:
        UsageError: an option that recurrent models do not have, or torch cannot export the CNN.
        DataError: the clips for the comparison cannot be used.
        GateError: the outputs differ from torch; no file is written.
        OutputError: a file cannot be written.
    """
    start = time.perf_counter()
    _require_options(options)
    require_step_name(path)
    manifest = backend.manifest.replace(precision="fp32", created_by=f"edgecnn {__version__}")
    backend = ClipBackend(backend.network, manifest, backend.split_record, backend.file, backend.unknown)
    clips = _clips(backend, options, run_data)
    reporter.stage("exporting")(0, 1)
    parts = trace_parts(backend, options.opset)
    expected = [backend.clip(steps) for steps in clips.steps]  # [T, C] each
    whole = clip_graph(parts, manifest.input.height, manifest.input.width)
    describe(whole, manifest, backend.split_record, None)
    with atomic_path(clip_file(path)) as temporary, naming(temporary, clip_file(path)):
        write_unchecked(whole, temporary)
        difference = _clip_difference(open_session(temporary, "cpu", trusted=True), clips.steps, expected)
        _check(clip_file(path), difference)

        def examine(session: ModelSession) -> tuple[Parity, GoldenSamples | None]:
            parity = _compare_steps(session, backend, clips, expected, reporter.stage("comparing with torch"))
            _check(path, parity.max_abs_diff)
            return parity, _golden(session, manifest, clips, options)

        result = write_examined(_inferred(step_graph(parts)), path, manifest, backend.split_record, examine, start)
    note = f"clip file: {clip_file(path)}, differs from torch by at most {difference:.1e}"
    return replace(result, notes=(note,))


def _require_options(options: ExportOptions) -> None:
    if options.precision != "fp32":
        raise UsageError(f"--precision {options.precision}: recurrent models are exported in fp32; leave it out")
    if options.layout != "nhwc-uint8":
        raise UsageError(f"--layout {options.layout}: recurrent models take nhwc-uint8; leave it out")
    if options.opset < OPSET:
        raise UsageError(f"--opset {options.opset}: expected {OPSET} or higher")


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _clips(backend: ClipBackend, options: ExportOptions, run_data: Path | None) -> _Clips:
    """Held-out clips of ``--data``, else of the run if they still exist, else clips made by code."""
    manifest = backend.manifest
    if options.data is not None:
        return _read_clips(options.data, backend, f"clips of {options.data}", options.max_pixels)
    if run_data is not None:
        with contextlib.suppress(DataError, InputNotFoundError):  # moved or changed since: not a fault of the export
            return _read_clips(run_data, backend, "held-out clips of the run", options.max_pixels)
    if options.golden == "data":
        raise UsageError("--golden data: the dataset of the run does not exist any more; give clips with --data")
    made = synthetic_clips(manifest.input.height, manifest.input.width)
    return _Clips(made, "synthetic clips; give real ones with --data")


def _read_clips(root: Path, backend: ClipBackend, source: str, max_pixels: int) -> _Clips:
    manifest, temporal = backend.manifest, backend.manifest.temporal
    assert temporal is not None
    chosen = select_eval_clips(root, manifest, backend.split_record)
    reader = ClipReader(manifest.input, manifest.preprocess, temporal.frame_interval_s, temporal.frame_rate, max_pixels)
    found: list[Image] = []
    for i in np.linspace(0, len(chosen.paths) - 1, min(len(chosen.paths), _CLIPS)).astype(int):
        with contextlib.suppress(EdgeCNNError):
            rows = [step.row for step in islice(reader.steps(chosen.paths[i]), _STEPS)]
            found.append(np.stack(rows))
    if not found:
        raise DataError(f"{root}: no clip can be read")
    return _Clips(found, source)


def _compare_steps(
    session: ModelSession,
    backend: ClipBackend,
    clips: _Clips,
    expected: Sequence[NDArray[np.float32]],
    progress: Progress,
) -> Parity:
    """Runs the clips step by step with carried state and compares every answer with torch's."""
    largest, agreeing, unknown, done = 0.0, 0, 0.0, 0
    for place, steps in enumerate(clips.steps):
        for found, original, wanted in zip(
            run_steps(session, steps), run_steps(backend, steps), expected[place], strict=True
        ):
            difference = float(np.abs(found.probabilities[0] - wanted).max())
            largest = difference if not difference <= largest else largest  # a NaN stays
            agreeing += int(found.probabilities[0].argmax() == wanted.argmax())
            if found.unknown_scores is not None and original.unknown_scores is not None:
                scale = max(float(np.abs(original.unknown_scores[0])), 1.0)
                unknown = max(unknown, float(np.abs(found.unknown_scores[0] - original.unknown_scores[0])) / scale)
            done += 1
        progress(place + 1, len(clips.steps))
    return Parity(
        images=done,
        image_source=f"frames of {len(clips.steps)} {clips.source}",
        max_abs_diff=largest,
        top1_agreement=agreeing / done,
        unknown_max_diff=unknown if backend.score is not None else None,
        unit="steps",
    )


def _clip_difference(session: ModelSession, clips: Sequence[Image], expected: Sequence[NDArray[np.float32]]) -> float:
    """The largest difference of the clip file from torch. It gets two clips at a time, so that padding is tested."""
    largest = 0.0
    for at in range(0, len(clips), 2):
        pair = clips[at : at + 2]
        lengths = np.array([len(steps) for steps in pair], np.int64)
        frames = np.zeros((len(pair), lengths.max(), *pair[0].shape[1:]), np.uint8)
        for row, steps in enumerate(pair):
            frames[row, : len(steps)] = steps
        found = session.classify_clips(frames, lengths)
        wanted = np.stack([answers[-1] for answers in expected[at : at + 2]])
        difference = float(np.abs(found - wanted).max())
        largest = difference if not difference <= largest else largest  # a NaN stays
    return largest


def _check(path: Path, difference: float) -> None:
    """Raises :class:`GateError` where a file differs from torch by more than the tolerance; a NaN always does."""
    if not difference <= _TOLERANCE:
        raise GateError(
            f"{path}: the exported graph differs from torch by {difference:.2g} in a probability (allowed "
            f"{_TOLERANCE:g}); not written; please report this network as a bug"
        )


def _golden(session: ModelSession, manifest: Manifest, clips: _Clips, options: ExportOptions) -> GoldenSamples | None:
    if options.golden == "none":
        return None
    made = synthetic_clips(manifest.input.height, manifest.input.width)
    return golden_sequences(session, clips.steps if options.golden == "data" else made, manifest.precision)
