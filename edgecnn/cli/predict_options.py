"""The options of ``edgecnn predict``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgecnn.cli.options import (
    EngineOption,
    FrameRateOption,
    HealthOption,
    IntervalOption,
    RegionOption,
    SessionOptions,
    StreamStartOption,
)
from edgecnn.cli.prediction_lines import LineFormat
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

__all__ = ["PredictOptions"]


@dataclass(frozen=True, kw_only=True)
class PredictOptions(
    SessionOptions,
    HealthOption,
    RegionOption,
    StreamStartOption,
    IntervalOption,
    LargeImageOption,
    FrameRateOption,
    EngineOption,
):
    """What to classify, with which model, and how to print the answers."""

    model: Annotated[Path, Argument("Model file (.onnx), or one on a hub (hf://OWNER/NAME).")]
    sources: Annotated[
        tuple[str, ...],
        Argument(
            "Images, folders, globs, videos, cameras (0, /dev/video0, camera:NAME, csi:), rtsp://, http:// "
            "(image, MJPEG, HLS, MPEG-TS or MP4), a GStreamer pipeline, loop:PATH (files as a camera), fake: (made "
            "images, to try things out), or - for paths on standard input. With --engine ray also s3://, gs://, hf:// "
            "and lists of paths (.txt).",
            metavar="SOURCE",
        ),
    ]
    topk: Annotated[int, Option("Number of classes to report per image.")] = 5
    threshold: Annotated[
        float | None,
        Option(
            "Rejection threshold: minimum probability, or maximum unknown score, of an accepted answer.",
            default="the model file's",
        ),
    ] = None
    allow: Annotated[
        tuple[str, ...],
        Option("Accept only this label; may be repeated. Other answers become unknown.", metavar="LABEL"),
    ] = ()
    deny: Annotated[tuple[str, ...], Option("Never answer this label; may be repeated.", metavar="LABEL")] = ()
    batch: Annotated[int, Option("Batch size.")] = 1
    every: Annotated[int, Option("Classify every N-th image or frame.", metavar="N")] = 1
    max_frames: Annotated[int | None, Option("Stop after N images or frames.", metavar="N")] = None
    smoothing: Annotated[
        Path | None,
        Option("Smooth the answers of cameras and videos with a settings file of `edgecnn tune`.", metavar="FILE"),
    ] = None
    per_clip: Annotated[
        bool,
        Option(
            "With a recurrent model: one line for each clip (video or folder of frames), with the answer at its end."
        ),
    ] = False
    on_change: Annotated[bool, Option("Print a line for a camera or video only when its answer changes.")] = False
    line_format: Annotated[LineFormat, Option("Format of the output, one line per image.", flag="--format")] = "text"
    json: Annotated[bool, Option("Same as --format jsonl.")] = False
    save: Annotated[
        Path | None, Option("Save each image, or video, with its answer drawn on it into this folder.", metavar="DIR")
    ] = None
    show: Annotated[bool, Option("Show each image with its answer in a window; q closes it.")] = False
    prove: Annotated[
        bool,
        Option("Replay the model file's golden samples first; end with status 3 if it has none or they fail."),
    ] = False
