"""Runs train, export, quantize, verify, benchmark and predict through the public functions."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from edgecnn.atomic import make_folder, write_text
from edgecnn.data.dataset import select_eval_images
from edgecnn.demo.outputs import HELD_OUT, SHIPPED_MODEL
from edgecnn.demo.solar_cells import LICENCE, write_solar_cells
from edgecnn.errors import GateError, UsageError
from edgecnn.evaluation.parity import VerifyResult
from edgecnn.folder_lock import LOCK_FILE, folder_lock
from edgecnn.progress import Reporter
from edgecnn.runtime.analysis.benchmark import BenchmarkResult, benchmark
from edgecnn.runtime.classifier import Classifier
from edgecnn.runtime.streaming.annotate import Album
from edgecnn.training import TrainOptions, TrainResult, train
from exporters import ExportResult, QuantizeOptions, QuantizeResult, export_onnx, quantize, verify

__all__ = ["DemoResult", "StageRow", "run_demo"]

_FOR_TRAINING = 0.72  # of the time budget; the rest exports, quantizes, verifies, measures and predicts
_SAVED_IMAGES = 24


@dataclass(frozen=True)
class StageRow:
    """One row of the final table."""

    stage: str
    seconds: float
    top1: float | None = None
    size_bytes: int | None = None
    latency_ms: float | None = None  # at one thread


@dataclass(frozen=True)
class Predicted:
    """The predictions of the final model file on the held-out images."""

    file: str
    images: int
    right: int
    unknown: int


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """The summary of every stage."""

    out: str
    data: str
    seconds: float
    stages: tuple[StageRow, ...]
    train: TrainResult
    export: ExportResult
    quantize: QuantizeResult
    verify: VerifyResult
    benchmark: BenchmarkResult
    predict: Predicted
    held_out: str  # text file with the paths of the held-out images, for `loop:`


def run_demo(data: Path | None, out: Path, time_budget_min: float, reporter: Reporter) -> DemoResult:
    """Runs all stages.

    Args:
        data: a dataset; None: the solar cell images of the extra `demo`.
        out: an empty or new folder.
        time_budget_min: time limit for all stages, in minutes.
        reporter: receives stages and progress.

    Raises:
        UsageError: the folder is not empty, or the time limit is not above 0.
        GateError: a model file does not match the checkpoint.
        EdgeCNNError: the error of the stage that failed.
    """
    if time_budget_min <= 0:
        raise UsageError(f"--time-budget {time_budget_min:g}: expected minutes above 0")
    start = time.monotonic()
    make_folder(out)
    with folder_lock(out, "--out", reporter.say):
        if any(path.name != LOCK_FILE for path in out.iterdir()):
            raise UsageError(f"{out}: directory not empty; choose another --out")
        augment = None
        if data is None:
            data, augment = _write_images(out, reporter), "symmetric"
        result = _run_stages(data, augment, out, time_budget_min, reporter, start)
        write_text(out / "summary.json", json.dumps(asdict(result), indent=1, default=str))
    return result


def _run_stages(
    data: Path, augment: str | None, out: Path, time_budget_min: float, reporter: Reporter, start: float
) -> DemoResult:
    """Every stage once. Raises :class:`GateError` and the errors of the stages.

    ``start`` is ``time.monotonic()`` at the start of the demo.
    """
    clock = _Clock()
    training_min = _FOR_TRAINING * time_budget_min
    trained = train(TrainOptions(data=data, out=out / "run", augment=augment, time_budget_min=training_min), reporter)
    train_s = clock.lap()
    exported = export_onnx(trained.best_checkpoint, out / "model.onnx", None, reporter)
    export_s = clock.lap()
    quantized = quantize(exported.file, data, out / SHIPPED_MODEL, QuantizeOptions(max_drop=0.01), reporter)
    quantize_s = clock.lap()
    files = [exported.file, quantized.file]
    progress = reporter.stage("verifying")
    verified = verify(trained.best_checkpoint, files, data, max_drop=0.01, min_agreement=0.95, progress=progress)
    if found := verified.first_divergence:
        raise GateError(f"{found.file}: {found.reason}; the model file does not match the checkpoint")
    verify_s = clock.lap()
    reporter.stage("benchmarking")(0, 1)
    measured = benchmark(quantized.file, ep="cpu", threads=1, seconds=3)
    benchmark_s = clock.lap()
    predicted = _predict(Path(quantized.file), data, out, reporter)
    predict_s = clock.lap()
    float_top1, int8_top1 = verified.stages[1].top1, verified.stages[2].top1
    checkpoint_bytes = Path(trained.best_checkpoint).stat().st_size
    float_ms, int8_ms, whole_ms = quantized.float_.latency_ms, _shipped_ms(quantized), measured.latency_ms.p50
    stages = (
        StageRow(stage="train", seconds=train_s, top1=trained.val_top1, size_bytes=checkpoint_bytes),
        StageRow(
            stage="export", seconds=export_s, top1=float_top1, size_bytes=exported.size_bytes, latency_ms=float_ms
        ),
        StageRow(
            stage=f"quantize: {quantized.decision}",
            seconds=quantize_s,
            top1=int8_top1,
            size_bytes=quantized.size_bytes,
            latency_ms=int8_ms,
        ),
        StageRow(stage="verify", seconds=verify_s, top1=int8_top1),
        StageRow(stage="benchmark", seconds=benchmark_s, latency_ms=whole_ms),
        StageRow(stage="predict", seconds=predict_s, top1=predicted.right / max(predicted.images, 1)),
    )
    return DemoResult(
        out=str(out),
        data=str(data),
        seconds=time.monotonic() - start,
        stages=stages,
        train=trained,
        export=exported,
        quantize=quantized,
        verify=verified,
        benchmark=measured,
        predict=predicted,
        held_out=str(out / HELD_OUT),
    )


def _write_images(out: Path, reporter: Reporter) -> Path:
    """Writes the solar cell images below ``out`` and returns their folder."""
    reporter.say(LICENCE)
    reporter.stage("writing images")(0, 1)
    write_solar_cells(out / "data")
    return out / "data"


def _shipped_ms(result: QuantizeResult) -> float | None:
    return result.float_.latency_ms if result.decision == "fp32" else result.quantized.latency_ms


def _predict(model: Path, data: Path, out: Path, reporter: Reporter) -> Predicted:
    """Predicts every held-out image. Writes predictions.jsonl, and the first few images with annotations."""
    classifier = Classifier(model, ep="cpu")
    evaluated = select_eval_images(data, classifier.manifest, classifier.split_record)
    assert evaluated.truth is not None  # training read class folders
    truth = dict(zip(map(str, evaluated.paths), evaluated.truth, strict=True))
    progress = reporter.stage("predicting")
    rows: list[dict[str, Any]] = []
    for done, path in enumerate(truth, 1):
        rows.append(asdict(classifier(path)) | {"truth": classifier.labels[truth[path]]})
        progress(done, len(truth))
    write_text(out / "predictions.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    _list_held_out(list(truth), out / HELD_OUT)
    _save(classifier, list(islice(truth, 0, None, max(1, len(truth) // _SAVED_IMAGES))), out / "predictions")
    right = sum(bool(row["top"]) and row["top"][0]["label"] == row["truth"] for row in rows)
    return Predicted(str(model), len(rows), right, sum(row["status"] == "unknown" for row in rows))


def _list_held_out(paths: list[str], file: Path) -> None:
    """Writes the paths from the file's own folder, in an order that mixes the classes."""
    random.Random(0).shuffle(paths)  # noqa: S311  # an order, not a secret
    lines = [os.path.relpath(path, file.parent) for path in paths]
    write_text(file, "".join(f"{line}\n" for line in lines))


def _save(classifier: Classifier, paths: Sequence[str], folder: Path) -> None:
    album = Album(folder)
    for path in paths:
        for frame, prediction in classifier.stream(path):
            if frame:
                album.add(frame, prediction)


class _Clock:
    """Measures the time between calls of :meth:`lap`."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def lap(self) -> float:
        """Returns the seconds since the last call."""
        now = time.monotonic()
        spent, self._last = now - self._last, now
        return spent
