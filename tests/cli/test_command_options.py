"""An option is declared once, in its command's options class; every reader of options takes it from there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Literal, get_args

import pytest
import typer
from typer.testing import CliRunner

from edgecnn.cli.app import COMMANDS
from edgecnn.cli.commands import capture, tune
from edgecnn.cli.predict_options import PredictOptions
from edgecnn.cli.quick.parser import NotPlainError, parse_quickly
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option, as_field_values, declarations


@dataclass(frozen=True, kw_only=True)
class WithOneMore(PredictOptions):
    """The options of predict and a new one."""

    mirror: Annotated[Literal["no", "x", "y"], Option("Mirror the image along this axis.")] = "no"


def by_typer(options: type, words: list[str]) -> object:
    seen: list[object] = []
    app = typer.Typer()
    add_command(app, options, seen.append)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return seen[0]


def test_a_new_option_reaches_the_help_and_both_parsers() -> None:
    words = ["m.onnx", "a.jpg", "--mirror", "x"]
    wanted = WithOneMore(model=Path("m.onnx"), sources=("a.jpg",), mirror="x")
    assert by_typer(WithOneMore, words) == parse_quickly(WithOneMore, words) == wanted
    with pytest.raises(NotPlainError):
        parse_quickly(WithOneMore, [*words[:-1], "z"])

    app = typer.Typer()
    add_command(app, WithOneMore, print)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160"}).output
    assert "Mirror the image along this axis." in shown
    assert "[default: no]" in shown


@dataclass(frozen=True)
class Recorded:
    """Of every kind that a record may hold."""

    data: Annotated[Path, Argument("Folder.")]
    teacher: Annotated[Path | None, Option("Checkpoint.")] = None
    labels: Annotated[tuple[str, ...], Option("Labels.")] = ()
    flip: Annotated[bool, Option("Never mirror.", flag="--no-flip")] = True
    size: Annotated[tuple[int, int] | None, Option("Size.", parse=lambda text: (int(text), int(text)))] = None
    newer: Annotated[int, Option("An option that old records lack.")] = 7
    seed: int = 0


def test_a_record_of_options_becomes_the_same_options() -> None:
    record = {"data": "d", "teacher": "t.pt", "labels": ["a"], "flip": False, "gone": 1}
    assert Recorded(**as_field_values(Recorded, record)) == Recorded(Path("d"), Path("t.pt"), ("a",), flip=False)


def test_a_field_that_is_true_is_set_false_by_its_flag() -> None:
    assert by_typer(Recorded, ["d"]) == Recorded(Path("d"))
    assert by_typer(Recorded, ["d", "--no-flip", "--labels", "a", "--labels", "b", "--size", "32"]) == Recorded(
        Path("d"), labels=("a", "b"), flip=False, size=(32, 32)
    )


def test_a_field_without_help_is_for_programs_alone() -> None:
    assert "seed" not in {d.name for d in declarations(Recorded)}


@pytest.mark.parametrize(
    ("command", "library"),
    [
        (capture.CaptureCommandOptions, "edgecnn.runtime.streaming.capture:CaptureOptions"),
        (tune.TuneCommandOptions, "edgecnn.runtime.smoothing.tune:TuneOptions"),
    ],
)
def test_defaults_of_a_command_are_those_of_the_library(command: type, library: str) -> None:
    module, _, name = library.partition(":")
    theirs = getattr(__import__(module, fromlist=[name]), name)
    ours = {f.name: f.default for f in fields(command)}
    shared = [f for f in fields(theirs) if f.name in ours and f.name not in ("health", "source", "label")]
    assert shared
    for field in shared:
        assert ours[field.name] == field.default, field.name


def test_every_option_says_what_it_sets() -> None:
    """A sentence with a capital, and no markup that the terminal swallows."""
    program = (
        "import importlib\n"
        "from edgecnn.cli.app import COMMANDS\n"
        "from edgecnn.command_options import declarations, Argument, Option\n"
        "import dataclasses\n"
        "for name in COMMANDS:\n"
        "    module = importlib.import_module(f'edgecnn.cli.commands.{name}')\n"
        "    for kind in vars(module).values():\n"
        "        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind not in (Argument, Option):\n"
        "            for d in declarations(kind): print(name, d.name, d.spec.help, sep='\\t')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rows = [row.split("\t") for row in done.stdout.splitlines()]
    assert {row[0] for row in rows} == set(COMMANDS)
    for command, name, text in rows:
        head = text.split(":")[0]
        assert text.endswith("."), f"{command} {name}: {text}"
        assert head[0].isupper() or " " not in head, f"{command} {name}: {text}"


def test_choices_of_a_literal_are_kept() -> None:
    declared = {d.name: d for d in declarations(WithOneMore)}
    assert declared["mirror"].choices == ("no", "x", "y")
    assert declared["power"].choices == get_args(Literal["normal", "low"])


@dataclass(frozen=True)
class Bracketed:
    """With help that Rich would take for markup."""

    qat: Annotated[str, Option("Needs the extra edgecnn[qat].")] = "[none]"


def test_brackets_in_help_are_shown() -> None:
    app = typer.Typer()
    add_command(app, Bracketed, print)
    assert "edgecnn[qat]" in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "160"}).output
