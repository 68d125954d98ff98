"""``edgecnn adopt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edgecnn.cli.commands.export import print_export
from edgecnn.cli.options import Json, Out, require_extra
from edgecnn.cli.output import examples, print_json, reporting
from edgecnn.errors import UsageError

__all__ = ["register"]

_EXAMPLES = examples(
    "edgecnn adopt mobilenet.onnx --labels labels.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize "
    "crop --crop-fraction 0.875",
    "edgecnn adopt keras.onnx --labels labels.txt --mean 0.5 --std 0.5 --data images",
    "edgecnn adopt yolo-cls.onnx --mean 0 --std 1 --resize crop --out model.onnx",
)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(epilog=_EXAMPLES)(adopt)


def adopt(
    model: Annotated[
        Path, typer.Argument(help="Anyone's ONNX classifier: float or uint8 images in, scores of classes out.")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="A label a line, or JSON.", show_default="the file's own names")
    ] = None,
    mean: Annotated[
        str | None, typer.Option(help="Subtracted from pixels counted 0 to 1: one number, or three.")
    ] = None,
    std: Annotated[str | None, typer.Option(help="What they are divided by then: one number, or three.")] = None,
    color: Annotated[
        Literal["rgb", "bgr"], typer.Option(help="Order of colours that the network was trained on.")
    ] = "rgb",
    resize: Annotated[
        Literal["stretch", "crop", "letterbox"],
        typer.Option(help="How an image becomes one of the model's size; crop: its centre."),
    ] = "stretch",
    crop_fraction: Annotated[
        float, typer.Option(help="With crop: the shorter side becomes size / fraction first.")
    ] = 1.0,
    interpolation: Annotated[
        Literal["area", "linear", "cubic", "nearest"], typer.Option(help="Of the resizing.")
    ] = "linear",
    imgsz: Annotated[
        str | None, typer.Option(help="Side in pixels, or HEIGHT,WIDTH, where the file leaves it open.")
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None, typer.Option(help="Where the colours are, where the file leaves it open.")
    ] = None,
    output: Annotated[str | None, typer.Option(help="The output with the classes, where there are several.")] = None,
    golden: Annotated[
        Literal["synthetic", "data", "none"], typer.Option(help="Images the file proves itself with; data: real ones.")
    ] = "synthetic",
    data: Annotated[
        Path | None, typer.Option(help="Images to compare with the original on.", show_default="synthetic ones")
    ] = None,
    out: Out = None,
    json: Json = False,
) -> None:
    """Give anyone's ONNX classifier the graph contract and a manifest, held against what it was."""
    require_extra("adopting")
    from exporters import AdoptOptions
    from exporters import adopt as run

    options = AdoptOptions(
        labels=labels,
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        color=color,
        resize=resize,
        interpolation=interpolation,
        crop_fraction=crop_fraction,
        imgsz=_size(imgsz),
        layout=layout,
        output=output,
        data=data,
        golden=golden,
    )
    with reporting() as reporter:
        result = run(model, out or model.with_suffix(".edgecnn.onnx"), options, reporter)
    if json:
        print_json(result)
    else:
        print_export(result, "against the original")


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"{option} {text}: expected one number, or three with commas between") from error


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = [int(part) for part in text.split(",") if part.strip().isdigit()]
    if len(parts) not in (1, 2) or len(parts) != len(text.split(",")) or not all(8 <= n <= 4096 for n in parts):
        raise UsageError(f"--imgsz {text}: expected pixels, 8 to 4096, or HEIGHT,WIDTH")
    return parts[0], parts[-1]
