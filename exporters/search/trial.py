"""Trains one network of a search, exports and quantizes it, and evaluates the files. The record of it is kept, so that
a search that was interrupted goes on with it."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edgecnn.atomic import write_text
from edgecnn.data.dataset import EvalSplit, select_eval_images
from edgecnn.errors import DataError
from edgecnn.evaluation.evaluate import read_probabilities
from edgecnn.plain_json import parse_json
from edgecnn.progress import Progress, Reporter
from edgecnn.runtime.session.model_session import ModelSession
from edgecnn.runtime.session.opening import open_session
from edgecnn.training import TrainOptions, train
from exporters.options import ExportOptions, QuantizeOptions
from exporters.search.network_choice import NetworkChoice
from exporters.search.options import SearchOptions
from exporters.to_int8 import quantize
from exporters.to_onnx import export_onnx

__all__ = ["Evaluated", "Origin", "Trial", "quantize_command", "read_trial", "run_trial", "train_options"]

VAL_SPLIT = TEST_SPLIT = 0.2

_METHOD: Literal["mse"] = "mse"  # trying all takes three times as long
_MIN_SPEEDUP = 1.0
_MAX_DROP = 0.01  # a file that loses more by int8 than this is not worth a place on the front


@dataclass(frozen=True)
class Evaluated:
    """One file of a trained network."""

    precision: str
    file: str
    size_bytes: int
    val_hits: str  # "1" for each validation image that is answered right, "0" for others
    test_hits: str  # of the test images; empty where there are none


@dataclass(frozen=True)
class Trial:
    """A network that was trained."""

    choice: NetworkChoice
    checkpoint: str
    seconds: float
    files: tuple[Evaluated, ...]  # the float file first
    decision: str  # of the quantization, with its reason

    @property
    def best(self) -> Evaluated:
        """The file that ships: int8 or mixed where that holds."""
        return self.files[-1]


@dataclass(frozen=True)
class Origin:
    """Where a training comes from."""

    teacher: Trial | None  # the reference, whose answers it learns; None: it is the reference
    begins_with: Trial | None  # None: pretrained weights

    @classmethod
    def of(cls, choice: NetworkChoice, trials: Sequence[Trial]) -> Origin:
        """Of a network, among those that were trained, the reference first.

        A second training begins with the weights of the first; a network of the reference's kind with its weights.
        """
        if not trials:
            return cls(None, None)
        wanted = choice.first if choice.trainings > 1 else trials[0].choice
        before = next(trial for trial in trials if trial.choice == wanted)
        return cls(trials[0], before if before.choice.model == choice.model else None)


def read_trial(folder: Path) -> Trial | None:
    """The record in a trial's folder; None where it was not finished. Raises :class:`DataError` for a damaged one."""
    path = folder / "trial.json"
    if not path.exists():
        return None
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
        # The folder may have been moved, or is named from elsewhere
        files = tuple(Evaluated(**{**each, "file": str(folder / Path(each["file"]).name)}) for each in found["files"])
        checkpoint = folder / "run" / "weights" / Path(found["checkpoint"]).name
        _check(checkpoint, files)
        choice = NetworkChoice(**found["choice"])
        return Trial(choice, str(checkpoint), float(found["seconds"]), files, found["decision"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete {folder} to train this network again") from error


def _check(checkpoint: Path, files: Sequence[Evaluated]) -> None:
    """Raises :class:`ValueError` where a record has no results, or its files are gone."""
    split = checkpoint.parent.parent / "split.csv"
    for path in (checkpoint, split, *(Path(each.file) for each in files)):
        if not path.is_file():
            raise ValueError(f"{path} is missing")
    if not files or not all(each.val_hits for each in files):
        raise ValueError("it has no results")


def run_trial(choice: NetworkChoice, origin: Origin, options: SearchOptions, folder: Path, reporter: Reporter) -> Trial:
    """Trains, exports, quantizes and evaluates.

    Args:
        choice: the network.
        origin: the networks that it learns from and begins with.
        options: of the search.
        folder: of this trial. A training that was interrupted there is resumed.
        reporter: receives stages and progress.

    Raises:
        Those of :func:`edgecnn.training.train`, :func:`exporters.export_onnx` and :func:`exporters.quantize`.
    """
    start = time.monotonic()
    run = folder / "run"
    begun = (run / "weights" / "last.pt").exists()
    fresh = train_options(choice, origin, options, run)
    trained = train(TrainOptions(data=options.data, out=run, resume=True) if begun else fresh, reporter)
    # Of a training that was resumed, the part before counts too: by it the next one is planned
    before_s = max(0.0, trained.seconds - (time.monotonic() - start))
    checkpoint = trained.best_checkpoint
    plain, quantized = folder / "model.onnx", folder / "model.int8.onnx"
    export_onnx(checkpoint, plain, ExportOptions(max_megapixels=options.max_megapixels), reporter)
    found = quantize(plain, options.data, quantized, _gates(options), reporter)
    files = [_evaluate(plain, "fp32", options, reporter.stage("evaluating the float file"))]
    if found.decision != "fp32":
        files.append(_evaluate(quantized, found.decision, options, reporter.stage("evaluating the int8 file")))
    seconds = before_s + time.monotonic() - start
    trial = Trial(choice, checkpoint, seconds, tuple(files), f"{found.decision}: {found.reason}")
    write_text(folder / "trial.json", json.dumps(asdict(trial), indent=1))
    return trial


def train_options(choice: NetworkChoice, origin: Origin, options: SearchOptions, run: Path) -> TrainOptions:
    """Options of the training."""
    begins_with, pruned = origin.begins_with, bool(choice.pruned)
    again = choice.trainings > 1
    return TrainOptions(
        data=options.data,
        out=run,
        model=choice.model,
        imgsz=choice.imgsz,
        weights="auto" if begins_with is None else begins_with.checkpoint,
        teacher=None if origin.teacher is None else Path(origin.teacher.checkpoint),
        prune=round(1 - choice.pruned, 4) if pruned and not again else None,
        preset="pruned" if pruned and again else None,
        augment=options.augment,
        group=options.group,
        val_split=VAL_SPLIT,
        test_split=TEST_SPLIT,
        seed=options.seed,
        max_megapixels=options.max_megapixels,
        force=True,
    )


def _gates(options: SearchOptions) -> QuantizeOptions:
    return QuantizeOptions(
        method=_METHOD,
        target=options.target,
        max_drop=_MAX_DROP,
        min_speedup=_MIN_SPEEDUP,
        max_megapixels=options.max_megapixels,
    )


def quantize_command(plain: str, quantized: str, options: SearchOptions) -> str:
    """The command that quantizes a float file as a trial does."""
    words = ["edgecnn", "quantize", plain, "--data", str(options.data), "--out", quantized, "--target", options.target]
    return shlex.join([*words, "--method", _METHOD, "--max-drop", str(_MAX_DROP), "--min-speedup", str(_MIN_SPEEDUP)])


def _evaluate(file: Path, precision: str, options: SearchOptions, progress: Progress) -> Evaluated:
    session = open_session(file, "cpu", trusted=True)
    val = _hits(session, options, "val", progress)
    return Evaluated(precision, str(file), file.stat().st_size, val, _hits(session, options, "test", progress))


def _hits(session: ModelSession, options: SearchOptions, split: EvalSplit, progress: Progress) -> str:
    try:
        chosen = select_eval_images(options.data, session.manifest, session.split_record, split)
    except DataError:
        if split == "test":  # a folder that was split already may have none
            return ""
        raise
    assert chosen.truth is not None  # labels were needed
    found = read_probabilities(session, chosen.paths, progress, max_pixels=options.max_pixels)
    return _text(found.indices, found.probabilities.argmax(1).tolist(), chosen.truth)


def _text(indices: Sequence[int], answers: Sequence[int], truth: Sequence[int]) -> str:
    right = np.zeros(len(truth), np.bool_)  # an image that cannot be read is no hit, of any file
    for index, answer in zip(indices, answers, strict=True):
        right[index] = answer == truth[index]
    return "".join("01"[int(hit)] for hit in right)
