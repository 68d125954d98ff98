"""``edgecnn doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecnn.cli.options import AdmissionOption, JsonOption, ProviderOption
from edgecnn.cli.output import note, print_findings, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.image_size import LargeImageOption

if TYPE_CHECKING:
    from edgecnn.progress import Reporter
    from edgecnn.runtime.doctor.run import Diagnosis

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class DoctorOptions(ProviderOption, AdmissionOption, LargeImageOption, JsonOption):
    """Options of ``edgecnn doctor``."""

    target: Annotated[
        Path | None,
        Argument(
            "Model file, whose golden samples are replayed here, or a folder of images or clips; without, this machine."
        ),
    ] = None
    clips: Annotated[
        bool, Option("Folders of images in class folders are clips. Class folders of videos are known as clips.")
    ] = False
    frames: Annotated[
        Path | None,
        Option(
            "Folder of frames without labels: estimates the model's accuracy on them, and exits 3 where they are "
            "others than what it was taught on.",
            metavar="DIR",
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        DoctorOptions,
        doctor,
        "edgecnn doctor",
        "edgecnn doctor model.int8.onnx",
        "edgecnn doctor data --json",
        "edgecnn doctor clips --clips",
        "edgecnn doctor model.int8.onnx --frames captured",
    )


def doctor(options: DoctorOptions) -> int:
    """Check this machine, a model file on it or on frames without labels, or a folder of images or clips."""
    from edgecnn.runtime.doctor.run import examine

    if options.target is not None:
        options.admit_models(options.target)
    with reporting() as reporter:
        if options.frames is not None:
            result = _examine_frames(options, options.frames, reporter)
        else:
            result = examine(options.target, options.ep, reporter, options.max_pixels, clips=options.clips)
    if options.json:
        print_json(result)
    else:
        _print(result)
    faults = sum(finding.level == "fault" for finding in result.findings)
    if not result.ok:
        note(f"edgecnn: {faults} {'fault' if faults == 1 else 'faults'} found")
        return 3
    return 0


def _examine_frames(options: DoctorOptions, frames: Path, reporter: Reporter) -> Diagnosis:
    from edgecnn.errors import UsageError
    from edgecnn.runtime.doctor.frames import examine_frames

    if options.target is None or options.target.is_dir() or options.clips:
        raise UsageError("--frames needs a model file: `edgecnn doctor model.onnx --frames DIR`")
    return examine_frames(options.target, frames, options.ep, reporter, options.max_pixels)


def _print(result: Diagnosis) -> None:
    """The command last, on a line of its own and not wrapped, so that it can be copied."""
    if result.recommended is None:
        print_findings(result.findings)
        return
    *found, last = result.findings
    print_findings(found)
    print(f"\nNext: {last.what}\n  {result.recommended}")
