"""``edgecnn predict``."""

from __future__ import annotations

import csv
import json as json_module
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgecnn.cli.options import Arena, Ep, EpOption, Power, StrictEp, run_options
from edgecnn.cli.output import as_json, examples, note, print_json

if TYPE_CHECKING:
    from edgecnn.runtime.decision import Prediction

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn predict model.onnx picture.jpg",
    "edgecnn predict model.onnx pictures --format jsonl",
    "edgecnn predict model.onnx 'pictures/*.png' --topk 3 --threshold 0.8 --save out",
    "find . -name '*.jpg' | edgecnn predict model.onnx -",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(predict)


def predict(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Pictures, folders, globs, or - for paths on standard input.")],
    topk: Annotated[int, typer.Option(help="Classes to report.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(help="Largest probability below which, or unknown score above which, the answer is unknown.", show_default="the manifest's"),
    ] = None,
    ep: Ep = "auto",
    threads: Annotated[int | None, typer.Option(help="Of one inference.", show_default="the physical cores")] = None,
    batch: Annotated[int, typer.Option(help="Pictures an inference.")] = 1,
    every: Annotated[int, typer.Option(help="Take every N-th picture.")] = 1,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    format: Annotated[Literal["text", "jsonl", "csv"], typer.Option(help="A line a picture.")] = "text",  # noqa: A002  # the contract's name
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    save: Annotated[Path | None, typer.Option(help="Write the pictures with their answers into this folder.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show each picture with its answer in a window.")] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="Replay the golden samples first; a model that fails, or has none, ends with status 3.")
    ] = False,
    power: Power = "normal",
    arena: Arena = True,
    strict_ep: StrictEp = False,
    ep_option: EpOption = None,
) -> None:
    """Classify pictures; a line a picture, as it goes."""
    from edgecnn.runtime.annotate import Album, Window
    from edgecnn.runtime.classifier import Classifier

    options = run_options(threads, power, arena, strict_ep, ep_option)
    classifier = Classifier(model, ep=ep, threshold=threshold, topk=topk, prove=prove, options=options)
    stream = classifier.stream(*sources, batch=batch, every=every, max_frames=max_frames)
    album, window = Album(save) if save else None, Window() if show else None
    write = _writer("jsonl" if json else format)
    start, counts = time.perf_counter(), Counter[str]()
    for frame, prediction in stream:
        write(prediction)
        counts[prediction.status] += 1
        for picture_sink in (album, window):
            if picture_sink and frame:
                picture_sink.add(frame, prediction)
    seconds = time.perf_counter() - start
    note(_summary(counts, seconds, classifier.ep))
    if not counts["ok"] + counts["unknown"]:
        raise typer.Exit(2)


def _summary(counts: Counter[str], seconds: float, ep: str) -> str:
    total = sum(counts.values())
    parts = [f"{counts['ok']} answered", f"{counts['unknown']} unknown"]
    parts += [f"{counts[s]} {name}" for s, name in (("no_decision", "without a decision"), ("error", "unreadable")) if counts[s]]
    return (
        f"{total} {'picture' if total == 1 else 'pictures'}: {', '.join(parts)}; {seconds:.1f} s, {total / max(seconds, 1e-9):.1f} a second on {ep}"
    )


def _writer(format: str) -> Any:  # noqa: A002
    return {"text": _write_text, "jsonl": print_json, "csv": _CsvWriter()}[format]


def _write_text(p: Prediction) -> None:
    if p.status == "ok":
        answer = f"Prediction: {p.label} ({p.score:.2f})"
    elif p.status == "unknown":
        answer = f"Prediction: unknown ({p.top[0].label} {p.top[0].score:.2f})"
    else:
        answer = f"{'no decision' if p.status == 'no_decision' else 'error'}: {p.reason}"
    print(f"{p.source}: {answer}", flush=True)


class _CsvWriter:
    """A header, then a row a picture; nested values as JSON."""

    def __init__(self) -> None:
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        self._begun = False

    def __call__(self, prediction: Prediction) -> None:
        row: dict[str, Any] = as_json(prediction)
        if not self._begun:
            self._csv.writerow(row)
            self._begun = True
        self._csv.writerow(json_module.dumps(v) if isinstance(v, dict | list) else v for v in row.values())
        sys.stdout.flush()
