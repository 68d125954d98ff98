"""``edgecnn explain``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import AdmissionOption, FrameRateOption, JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_json
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.error_text import printable
from edgecnn.image_size import LargeImageOption

if TYPE_CHECKING:
    from edgecnn.evaluation.explanation_page import Scored
    from edgecnn.runtime.why.report import ExplainedAnswer

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class ExplainOptions(FrameRateOption, LargeImageOption, AdmissionOption, JsonOption):
    """Options of ``edgecnn explain``."""

    model: Annotated[Path, Argument("Model file (.onnx), or checkpoint of edgecnn train (best.pt).")]
    image: Annotated[Path, Argument("Image file; for a checkpoint of clips, a video or a folder of frames.")]
    out: Annotated[Path, Option("Output folder of the images and their index.html.", short="-o", metavar="DIR")]
    before: Annotated[
        Path | None,
        Option("Earlier model file, to show its answer beside it; for a model file.", metavar="OLD.onnx"),
    ] = None
    classes: Annotated[int, Option("Number of best classes to show the evidence for.")] = 3
    force: Annotated[bool, Option("Write into an output folder that is not empty.")] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ExplainOptions,
        explain,
        "edgecnn explain model.onnx image.jpg --out explained",
        "edgecnn explain taught.onnx image.jpg --before model.onnx --out explained --force --json",
        "edgecnn explain runs/train/1/weights/best.pt image.jpg --classes 5 --out explained",
        "edgecnn explain runs/clips/weights/best.pt clip.mp4 --out explained",
    )


def explain(options: ExplainOptions) -> None:
    """Show as images why a model answers as it does.

    For a model file, on the device: the evidence for a class, similar taught images, and what changed against an
    earlier file. For a checkpoint: filters, feature maps and the evidence. For a clip: the hidden state, the gates and
    the probabilities over time.
    """
    from edgecnn.runtime.session.model_file import is_checkpoint

    # A missing file is told without torch, unless its name is that of a checkpoint
    if not is_checkpoint(options.model) and (options.model.exists() or options.model.suffix != ".pt"):
        _explain_model(options)
        return
    require_extra("explaining a network")
    from edgecnn.errors import UsageError
    from edgecnn.training.run.checkpoint import load_checkpoint

    if options.before is not None:
        raise UsageError(f"--before: {options.model} is no model file; give two model files, or leave it out")
    if load_checkpoint(options.model).manifest.temporal is not None:
        _explain_clip(options)
        return
    _refuse_frame_rate(options)
    _explain_checkpoint(options)


def _refuse_frame_rate(options: ExplainOptions) -> None:
    from edgecnn.errors import UsageError

    if options.fps is not None:
        raise UsageError(f"--fps: {options.model} classifies images; leave it out")


def _explain_model(options: ExplainOptions) -> None:
    from edgecnn.errors import UsageError
    from edgecnn.runtime.why.report import explain_model

    _refuse_frame_rate(options)
    if options.image.is_dir():
        raise UsageError(f"{options.image}: is a folder; a model file explains one image")
    options.admit_models(*(path for path in (options.model, options.before) if path is not None))
    result = explain_model(
        options.model,
        options.image,
        options.out,
        before=options.before,
        classes=options.classes,
        force=options.force,
        say=note,
        max_pixels=options.max_pixels,
    )
    if options.json:
        print_json(result)
        return
    for when, answer in (("", result.answer), ("before: ", result.before)):
        if answer is not None:
            _print_answer(result.image, when, answer)
    _print_similar(result.answer)  # of the model now, as on the page
    _print_files(result.files)


def _print_answer(image: str, when: str, answer: ExplainedAnswer) -> None:
    told = answer.status.replace("_", " ") if answer.score is None else f"{answer.label} ({answer.score:.2f})"
    print(printable(f"{when}{image}: {told}{'' if answer.reason is None else f', {answer.reason}'}"))
    print_facts("", [(scored.label, f"{scored.score:.3f}") for scored in answer.top])
    if answer.map_reason is not None:
        print(printable(f"no map: {answer.map_reason}"))


def _print_similar(answer: ExplainedAnswer) -> None:
    for similar in answer.nearest:
        print(printable(f"similar: {similar.label}, {similar.file} ({similar.similarity:.2f})"))
    if answer.nearest_reason is not None:
        print(printable(f"no similar images: {answer.nearest_reason}"))


def _explain_checkpoint(options: ExplainOptions) -> None:
    from edgecnn.training.explain.explanation import explain as run

    result = run(
        options.model,
        options.image,
        options.out,
        options.classes,
        force=options.force,
        say=note,
        max_pixels=options.max_pixels,
    )
    if options.json:
        print_json(result)
        return
    unknown = ", which predict calls unknown" if result.unknown else ""
    _print(f"{result.image}: {result.label} ({result.score:.2f}){unknown}", result.top, result.files)


def _explain_clip(options: ExplainOptions) -> None:
    from edgecnn.training.temporal.explain.explanation import explain_clip

    result = explain_clip(
        options.model,
        options.image,
        options.out,
        options.classes,
        options.fps,
        force=options.force,
        say=note,
        max_pixels=options.max_pixels,
    )
    if options.json:
        print_json(result)
        return
    head = f"{result.clip}: {result.label} ({result.score:.2f}) after {result.steps} steps, {result.seconds:.1f} s"
    _print(head, result.top, result.files)


def _print(head: str, top: Sequence[Scored], files: Sequence[str]) -> None:
    print(head)
    print_facts("", [(scored.label, f"{scored.score:.3f}") for scored in top])
    _print_files(files)


def _print_files(files: Sequence[str]) -> None:
    print(f"written: {files[0]} and {len(files) - 1} images beside it")
    note(f"next: open {files[0]} in a browser")
