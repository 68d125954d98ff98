"""``edgecnn predict`` as Typer reads it; :mod:`edgecnn.cli.quick.predict` reads the same options in less time."""

from __future__ import annotations

import typer

from edgecnn.cli.predict_options import PredictOptions
from edgecnn.cli.prediction import predict as classify
from edgecnn.cli.typer_commands import add_command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        PredictOptions,
        predict,
        "edgecnn predict model.onnx image.jpg",
        "edgecnn predict model.onnx images --format jsonl",
        "edgecnn predict model.onnx 'images/*.png' --topk 3 --save out",
        "edgecnn predict model.onnx 0 --format jsonl",
        "edgecnn predict model.onnx rtsp://user:password@camera/stream --max-frames 100",
        "edgecnn predict model.onnx http://camera/still.jpg --interval 5",
        "edgecnn predict model.onnx 0 --health health.json --smoothing smoothing.json --on-change",
        "edgecnn predict model.onnx clip.mp4 --every 5 --save out",
        "edgecnn predict model.onnx 0 --roi 0.25,0,0.5,1",
        "edgecnn predict model.onnx s3://bucket/images --engine ray --out answers",
        "find . -name '*.jpg' | edgecnn predict model.onnx -",
    )


def predict(options: PredictOptions) -> int:
    """Classify images, videos and cameras; print one line per image, as soon as it is known."""
    return classify(options)
