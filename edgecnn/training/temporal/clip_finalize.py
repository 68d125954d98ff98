"""The end of a run on clips: the best checkpoint is calibrated, evaluated and written."""

from __future__ import annotations

from collections.abc import Callable

import torch

from edgecnn.data.clips.clip_frames import ClipReader
from edgecnn.evaluation.metrics import compute_metrics
from edgecnn.evaluation.temperature import calibrated_probabilities, fit_temperature
from edgecnn.image_size import pixel_limit
from edgecnn.training.calibration.ood_score import fit_unknown, spread
from edgecnn.training.nouns import CLIPS, STEPS, Nouns
from edgecnn.training.options import TrainOptions
from edgecnn.training.result import TrainResult
from edgecnn.training.run.calibrated_checkpoint import save_calibrated
from edgecnn.training.run.checkpoint import load_checkpoint
from edgecnn.training.run.results import Outcome, write_results
from edgecnn.training.task import FinishedRun
from edgecnn.training.temporal.clip_data import ClipData, ClipSample
from edgecnn.training.temporal.clip_evaluation import ClipAnswers, answer_clips
from edgecnn.training.temporal.clip_examples import draw_timelines, find_clip_mistakes
from edgecnn.training.temporal.network import ClipClassifier

__all__ = ["clip_nouns", "finalize_clips"]


def clip_nouns(options: TrainOptions) -> Nouns:
    """What reports call the data. With labels of time spans, metrics count steps."""
    return CLIPS if options.per_frame is None else STEPS


def finalize_clips(
    done: FinishedRun, data: ClipData, network: ClipClassifier, seconds: Callable[[], float]
) -> TrainResult:
    """Writes the calibrated best.pt, results.csv, summary.json and report.html.

    Args:
        done: the run.
        data: its clips.
        network: of the run; the best weights are loaded into it.
        seconds: returns how long the run has taken so far.

    Raises:
        OutputError: a file cannot be written.
    """
    best = load_checkpoint(done.run.best)
    network.load_state_dict(best.weights)

    every_step = done.options.per_frame is not None
    setup = done.setup
    reader = ClipReader(
        setup.input, setup.preprocess, data.rate.interval_s, done.options.fps, pixel_limit(done.options.max_megapixels)
    )

    def answers(samples: list[ClipSample]) -> ClipAnswers:
        return answer_clips(network, done.manifest, data.store, samples, done.options.batch, every_step=every_step)

    val = answers(data.of("val"))
    temperature = fit_temperature(val.logits, val.truth)
    probabilities = calibrated_probabilities(val.logits, temperature)
    found = compute_metrics(probabilities, val.truth.tolist(), data.labels)
    train = data.of("train")
    known = answers([train[i] for i in spread(len(train))])
    logits = torch.from_numpy(val.logits)
    unknown = fit_unknown(known.hidden, val.hidden, logits, temperature, cross_fit=False)
    manifest = save_calibrated(done, best, temperature, unknown, found.top1)
    test = answers(data.of("test")) if data.of("test") else None
    tested = None if test is None else calibrated_probabilities(test.logits, temperature)
    outcome = Outcome(
        options=done.options,
        setup=done.setup,
        run=done.run,
        data=data,
        manifest=manifest,
        history=done.history,
        metrics=found,
        probabilities=probabilities,
        truth=val.truth,
        mistakes=find_clip_mistakes(data, val, probabilities, reader, every_step=every_step),
        nouns=clip_nouns(done.options),
        timelines=draw_timelines(network, done.manifest.replace(temperature=temperature), data, val, probabilities),
        test=None if test is None or tested is None else compute_metrics(tested, test.truth.tolist(), data.labels),
        test_probabilities=tested,
        test_truth=None if test is None else test.truth,
        seconds=seconds(),
        findings=data.findings,
    )
    return write_results(outcome, sum(p.numel() for p in network.parameters()))
