"""``edgecnn predict`` as Typer reads it; :mod:`edgecnn.cli.quick_predict` reads the same options in less time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import Arena, Ep, EpOption, Health, Power, StrictEp
from edgecnn.cli.output import examples
from edgecnn.cli.prediction import PredictOptions
from edgecnn.cli.prediction import predict as run
from edgecnn.cli.prediction_lines import LineFormat

__all__ = ["predict", "register"]

_EXAMPLES = examples(
    "edgecnn predict model.onnx image.jpg",
    "edgecnn predict model.onnx images --format jsonl",
    "edgecnn predict model.onnx 'images/*.png' --topk 3 --save out",
    "edgecnn predict model.onnx 0 --format jsonl",
    "edgecnn predict model.onnx rtsp://user:password@camera/stream --max-frames 100",
    "edgecnn predict model.onnx 0 --health health.json --smoothing smoothing.json --on-change",
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
            help=(
                "Images, folders, globs, videos, cameras (0, /dev/video0, camera:NAME, csi:), rtsp://, http:// "
                "(image or MJPEG), a GStreamer pipeline, fake: for trying out, or - for paths on standard input."
            ),
        ),
    ],
    topk: Annotated[int, typer.Option(help="Classes to report.")] = 5,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Largest probability below which, or unknown score above which, the answer is unknown.",
            show_default="the manifest's",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="A label that may be an answer; repeat it. Others become unknown."),
    ] = None,
    deny: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="A label that may not be an answer; repeat it.")
    ] = None,
    ep: Ep = "auto",
    threads: Annotated[int | None, typer.Option(help="Of one inference.", show_default="the physical cores")] = None,
    batch: Annotated[int, typer.Option(help="Images an inference.")] = 1,
    every: Annotated[int, typer.Option(help="Take every N-th image or frame.")] = 1,
    max_frames: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End with status 2 where a stream is not there at the start.")
    ] = False,
    health: Health = None,
    smoothing: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Smooth answers of cameras and videos, as `edgecnn tune` found best."),
    ] = None,
    on_change: Annotated[
        bool,
        typer.Option("--on-change", help="Cameras and videos: a line only where the answer is another than before."),
    ] = False,
    format: Annotated[LineFormat, typer.Option(help="A line an image.")] = "text",  # noqa: A002  # the contract's name
    json: Annotated[bool, typer.Option("--json", help="The same as --format jsonl.")] = False,
    save: Annotated[
        Path | None, typer.Option(help="Write the images and videos with their answers into this folder.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show each image with its answer in a window; q closes it.")
    ] = False,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove", help="Replay the golden samples first; a model that fails, or has none, ends with status 3."
        ),
    ] = False,
    power: Power = "normal",
    arena: Arena = True,
    strict_ep: StrictEp = False,
    ep_option: EpOption = None,
) -> None:
    """Classify images, videos and cameras; a line an image, as it goes."""
    options = PredictOptions(
        model=model,
        sources=tuple(sources),
        topk=topk,
        threshold=threshold,
        allow=tuple(allow or ()),
        deny=tuple(deny or ()),
        ep=ep,
        threads=threads,
        batch=batch,
        every=every,
        max_frames=max_frames,
        fail_fast=fail_fast,
        health=health,
        smoothing=smoothing,
        on_change=on_change,
        line_format="jsonl" if json else format,
        save=save,
        show=show,
        prove=prove,
        power=power,
        arena=arena,
        strict_ep=strict_ep,
        ep_option=tuple(ep_option or ()),
    )
    if status := run(options):
        raise typer.Exit(status)
