"""``edgecnn predict``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import Ep
from edgecnn.cli.output import examples, note
from edgecnn.cli.prediction_lines import LineFormat, line_writer

if TYPE_CHECKING:
    from edgecnn.runtime.sources import Counters

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn predict model.onnx picture.jpg",
    "edgecnn predict model.onnx pictures --format jsonl",
    "edgecnn predict model.onnx 'pictures/*.png' --topk 3 --threshold 0.8 --save out",
    "edgecnn predict model.onnx 0 --format jsonl",
    "edgecnn predict model.onnx rtsp://user:password@camera/stream --max-frames 100",
    "edgecnn predict model.onnx clip.mp4 --every 5 --save out",
    "find . -name '*.jpg' | edgecnn predict model.onnx -",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(predict)


def predict(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Pictures, folders, globs, videos, cameras (0, /dev/video0, camera:NAME, csi:), rtsp://, http:// (picture or MJPEG), a GStreamer "
            "pipeline, fake: for trying out, or - for paths on standard input.",
        ),
    ],
    topk: Annotated[int, typer.Option(help="Classes to report.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(help="Largest probability below which, or unknown score above which, the answer is unknown.", show_default="the manifest's"),
    ] = None,
    allow: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="A label that may be an answer; repeat it. Others become unknown.")] = None,
    deny: Annotated[list[str] | None, typer.Option(metavar="LABEL", help="A label that may not be an answer; repeat it.")] = None,
    ep: Ep = "auto",
    threads: Annotated[int | None, typer.Option(help="Of one inference.", show_default="the physical cores")] = None,
    batch: Annotated[int, typer.Option(help="Pictures an inference.")] = 1,
    every: Annotated[int, typer.Option(help="Take every N-th picture or frame.")] = 1,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End with status 2 where a stream is not there at the start.")] = False,
    format: Annotated[LineFormat, typer.Option(help="A line a picture.")] = "text",  # noqa: A002  # the contract's name
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the pictures and videos with their answers into this folder.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show each picture with its answer in a window; q closes it.")] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Replay the golden samples first; a model that fails, or has none, ends with status 3.")
    ] = False,
) -> None:
    """Classify pictures, videos and cameras; a line a picture, as it goes."""
    from edgecnn.cli.image_progress import image_progress
    from edgecnn.runtime.annotate import Album, Window
    from edgecnn.runtime.classifier import Classifier
    from edgecnn.runtime.sources import LiveOptions
    from edgecnn.runtime.sources.counting import count_frames

    classifier = Classifier(model, ep=ep, threads=threads, threshold=threshold, topk=topk, allow=allow, deny=deny, prove=prove)
    write = line_writer("jsonl" if json else format)
    begun, counts = time.perf_counter(), Counter[str]()
    with ExitStack() as opened:
        stream = classifier.stream(*sources, batch=batch, every=every, max_frames=max_frames, live=LiveOptions(fail_fast=fail_fast))
        opened.callback(lambda: _summarize(counts, time.perf_counter() - begun, classifier.ep, stream.counters))
        opened.enter_context(stream)
        album = opened.enter_context(Album(save, every)) if save else None
        window = Window() if show else None
        advance = opened.enter_context(image_progress(count_frames(sources, every) if max_frames is None else max_frames))
        for frame, prediction in stream:
            write(prediction)
            counts[prediction.status] += 1
            advance()
            if album and frame:
                album.add(frame, prediction)
            if window and frame:
                window.add(frame, prediction)
                if window.closed:
                    break
    if not counts["ok"] + counts["unknown"]:
        raise typer.Exit(2)


def _summarize(counts: Counter[str], seconds: float, ep: str, cameras: Mapping[str, Counters]) -> None:
    total = sum(counts.values())
    if total:
        parts = [f"{counts['ok']} answered", f"{counts['unknown']} unknown"]
        parts += [f"{counts[s]} {name}" for s, name in (("no_decision", "without a decision"), ("error", "unreadable")) if counts[s]]
        rate = total / max(seconds, 1e-9)
        note(f"{total} {'picture' if total == 1 else 'pictures'}: {', '.join(parts)}; {seconds:.1f} s, {rate:.1f} a second on {ep}")
    for name, found in cameras.items():
        if found.captured:
            note(f"{name}: {found.captured} frames captured, {found.delivered} classified, {found.dropped} broken, {found.outages} outages")
