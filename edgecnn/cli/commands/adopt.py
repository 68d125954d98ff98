"""``edgecnn adopt``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.commands.export import print_export
from edgecnn.cli.options import AdmissionOption, JsonOption, require_extra
from edgecnn.cli.output import note, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from exporters.options import AdoptOptions

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class AdoptCommandOptions(AdoptOptions, AdmissionOption, JsonOption):
    """Options of an adoption, with its files."""

    model: Annotated[Path, Argument("ONNX classifier of any tool: float or uint8 images in, class scores out.")]
    out: Annotated[
        Path | None,
        Option("Model file to write.", short="-o", metavar="FILE", default="the model's name, .edgecnn.onnx"),
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        AdoptCommandOptions,
        adopt,
        "edgecnn adopt mobilenet.onnx --labels labels.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize "
        "crop --crop-fraction 0.875",
        "edgecnn adopt keras.onnx --labels labels.txt --mean 0.5 --std 0.5 --data images",
        "edgecnn adopt yolo-cls.onnx --mean 0 --std 1 --resize crop --out model.onnx",
    )


def adopt(options: AdoptCommandOptions) -> None:
    """Make a self-describing model file from any ONNX classifier, and compare its answers with the original's."""
    require_extra("adopting")
    from edgecnn.data.left_out import usage_line
    from exporters import adopt as run

    options.admit_models(options.model, remedy="export the network for inference as plain ONNX")
    with reporting() as reporter:
        result = run(options.model, options.out or options.model.with_suffix(".edgecnn.onnx"), options, reporter)
    if options.data is not None:
        for skipped in result.skipped:
            note(f"skipped {skipped.path}: {skipped.reason}")
        note(f"{options.data}: {usage_line(result.data_images, result.left_out, len(result.skipped))}")
    if options.json:
        print_json(result)
    else:
        print_export(result, "against the original")
