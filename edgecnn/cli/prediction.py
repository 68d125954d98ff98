"""What ``edgecnn predict`` does, whichever way its options were read."""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from edgecnn.cli.output import note, note_left_out
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.cli.prediction_lines import line_writer
from edgecnn.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.decision import Status
    from edgecnn.runtime.smoothing.smoother import SmoothingOptions
    from edgecnn.runtime.sources import Counters, LiveOptions
    from edgecnn.runtime.streaming.annotate import Album

__all__ = ["predict"]


def predict(options: PredictOptions) -> int:
    """Classifies, and returns the exit status: 2 where no source gave an answer."""
    options.check_engine()
    if options.engine == "ray":
        from edgecnn.cli.cluster.predict import predict_on_cluster

        return predict_on_cluster(options)
    classifier = _open(options)
    gc.freeze()  # what is there now stays
    gc.enable()
    _note_threshold(options, classifier)
    with ExitStack() as opened:
        statuses = _run(options, classifier, opened)
    return 0 if statuses["ok"] + statuses["unknown"] else 2


def _open(o: PredictOptions) -> Classifier:
    from edgecnn.runtime.classifier import Classifier

    return Classifier(
        o.model,
        ep=o.ep,
        threshold=o.threshold,
        topk=o.topk,
        allow=o.allow or None,
        deny=o.deny or None,
        prove=o.prove,
        max_pixels=o.max_pixels,
        options=o.run_options(),
    )


def _note_threshold(o: PredictOptions, classifier: Classifier) -> None:
    """Who thinks of a probability would move it the wrong way; without a threshold everything gets a label."""
    from edgecnn.manifest import UNKNOWN_OFF

    rule = classifier.manifest.unknown
    if rule.off and o.threshold is None:
        note(f"unknown is {UNKNOWN_OFF}")
    if o.threshold is not None and rule.in_graph:
        own = f"the model's own is {rule.threshold:.3g}"
        note(
            f"--threshold {o.threshold:g} is of {rule.score}, not of the probability: above it an answer is unknown "
            f"({own})"
        )


def _run(o: PredictOptions, classifier: Classifier, opened: ExitStack) -> Counter[Status]:
    from edgecnn.cli.image_progress import image_progress

    if o.per_clip and (o.save or o.show):
        raise UsageError("--per-clip: --save and --show draw the answer on each frame; leave one of them out")
    write, begun = line_writer("jsonl" if o.json else o.line_format), time.perf_counter()
    stream = classifier.stream(
        *o.sources,
        batch=o.batch,
        every=o.every,
        max_frames=o.max_frames,
        live=_live_options(o),
        health=o.health_thresholds(),
        smoothing=_smoothing(o),
        on_change=o.on_change,
        fps=o.fps,
        per_clip=o.per_clip,
        region=o.region(),
    )
    if stream.frame_folders:
        _note_rate(classifier, stream.frame_folders, o.fps)
    opened.callback(note_left_out, stream.folders)
    what = _counted(o.sources, classifier, per_clip=o.per_clip)
    opened.callback(
        lambda: _summarize(stream.statuses, time.perf_counter() - begun, classifier.ep, stream.counters, what)
    )
    opened.enter_context(stream)
    if o.save or o.show:
        from edgecnn.runtime.streaming.annotate import Window

        album = opened.enter_context(_locked_album(o.save, o.every)) if o.save else None
        window = Window() if o.show else None
    else:
        album = window = None

    def expected() -> int | None:
        if o.per_clip:
            return None
        return stream.expected_frames() if o.max_frames is None else o.max_frames

    advance = opened.enter_context(image_progress(expected, what[1]))
    for frame, prediction in stream:
        write(prediction)
        advance(stream.statuses.total())
        if album and frame:
            album.add(frame, prediction)
        if window and frame:
            window.add(frame, prediction)
            if window.closed:
                break
    return stream.statuses


@contextmanager
def _locked_album(folder: Path, every: int) -> Iterator[Album]:
    from edgecnn.atomic import make_folder
    from edgecnn.folder_lock import folder_lock
    from edgecnn.runtime.streaming.annotate import Album

    make_folder(folder)
    with folder_lock(folder, "--save", note), Album(folder, every) as album:
        yield album


def _live_options(o: PredictOptions) -> LiveOptions | None:
    if not o.fail_fast and o.interval is None:
        return None
    from edgecnn.runtime.sources import LiveOptions

    return LiveOptions(fail_fast=o.fail_fast, interval_s=o.interval)


def _counted(sources: Sequence[str], classifier: Classifier, *, per_clip: bool) -> tuple[str, str]:
    """What is counted, one and several: images, or frames of videos and cameras, or clips."""
    if per_clip:
        return "clip", "clips"
    if classifier.manifest.temporal is not None:
        return "frame", "frames"
    from edgecnn.runtime.sources import parse_address

    still = {parse_address(source).kind == "images" for source in sources}
    if still == {True}:
        return "image", "images"
    return ("image or frame", "images and frames") if True in still else ("frame", "frames")


def _smoothing(o: PredictOptions) -> SmoothingOptions | None:
    if o.smoothing is None:
        return None
    from edgecnn.runtime.smoothing.smoother import read_smoothing

    return read_smoothing(o.smoothing)


def _note_rate(classifier: Classifier, folders: Sequence[Path], fps: float | None) -> None:
    from edgecnn.data.clips.frame_rate import note_on_rate

    if line := note_on_rate(classifier.manifest, folders, fps):
        note(line)


def _summarize(
    counts: Counter[Status], seconds: float, ep: str, cameras: Mapping[str, Counters], what: tuple[str, str]
) -> None:
    from edgecnn.runtime.sources.address import with_colon

    total = counts.total()
    if total:
        parts = [f"{counts['ok']} answered", f"{counts['unknown']} unknown"]
        without, unreadable = counts["no_decision"], counts["error"]
        parts += [
            f"{count} {name}" for count, name in ((without, "without a decision"), (unreadable, "unreadable")) if count
        ]
        rate = total / max(seconds, 1e-9)
        note(f"{total} {what[total != 1]}: {', '.join(parts)}; {seconds:.1f} s, {rate:.1f} a second on {ep}")
    for name, found in cameras.items():
        if found.captured:
            frames, outages = (
                f"{found.captured} frame{'s' * (found.captured != 1)}",
                f"{found.outages} outage{'s' * (found.outages != 1)}",
            )
            note(
                f"{with_colon(name)} {frames} captured, {found.delivered} classified, {found.dropped} broken, {outages}"
            )
