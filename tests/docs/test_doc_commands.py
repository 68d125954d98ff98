"""Commands in the README and in docs/ exist, with their options; the README's are run."""

from __future__ import annotations

import html
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from doc_pages import PAGES, ROOT, edgecnn_commands, name
from serving.running import ask, serving
from typer.core import TyperGroup

from edgecnn.cli.app import COMMANDS

README = ROOT / "README.md"
WITH_COMMANDS = [page for page in PAGES if any(edgecnn_commands(page))]
# What makes the README's training short enough for a test: a small network without pretrained weights.
SHORT_TRAINING = ("--model", "resnet8", "--weights", "none", "--epochs", "2")


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options of every command."""
    every = typer.Typer()
    for command in COMMANDS:
        import_module(f"edgecnn.cli.commands.{command}").register(every)
    group = typer.main.get_command(every)
    assert isinstance(group, TyperGroup)
    return {
        command: {"--help"}.union(*((*parameter.opts, *parameter.secondary_opts) for parameter in found.params))
        for command, found in group.commands.items()
    }


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name)
def test_every_command_of_a_page_exists_with_its_options(page: Path, options: dict[str, set[str]]) -> None:
    for command, *arguments in edgecnn_commands(page):
        if command.startswith("-"):
            assert command in {"--help", "--version"}, f"{name(page)}: edgecnn {command}"
            continue
        if command == "COMMAND":  # as in `edgecnn COMMAND --help`
            continue
        assert command in options, f"{name(page)}: there is no edgecnn {command}"
        named = {argument.partition("=")[0] for argument in arguments if re.match(r"--?[A-Za-z]", argument)}
        missing = named - options[command]
        assert not missing, f"{name(page)}: edgecnn {command} has no {', '.join(sorted(missing))}"


def test_the_commands_of_the_readme_run_in_order(edgecnn, tmp_path: Path) -> None:
    for folder, count in (("cats-dogs", "14"), ("labelled", "6")):
        draw = [sys.executable, ROOT / "scripts" / "draw_cats_and_dogs.py", tmp_path / folder, "--count", count]
        subprocess.run(draw, check=True)
    ran = []
    for command, *arguments in edgecnn_commands(README):
        if command in {"demo", "COMMAND"}:
            continue
        if command == "serve":  # until it is stopped
            model, *sources = arguments
            with serving(
                tmp_path / model, *sources, env={"EDGECNN_SERVE_STATE_DIR": str(tmp_path / "state")}
            ) as service:
                assert ask(f"{service.url}/healthz").status == 200
                assert service.stop() == 0
            continue
        done = edgecnn(command, *arguments, *(SHORT_TRAINING if command == "train" else ()), cwd=tmp_path)
        # `verify` may find that int8 loses too much on so few images, `teach` that it gains nothing by them: those are
        # answers, not errors
        assert done.returncode == 0 or (command in {"verify", "teach"} and done.returncode == 3), (
            f"{command}: {done.stderr}"
        )
        ran.append(command)
    assert ran[:5] == ["train", "export", "quantize", "verify", "predict"]


def test_the_recording_shows_the_commands_of_the_readme() -> None:
    svg = (ROOT / "docs" / "images" / "terminal.svg").read_text()
    shown = html.unescape(re.sub(r"<[^>]+>", "", svg)).replace("\xa0", " ")
    for command, *arguments in list(edgecnn_commands(README))[:4]:
        assert shlex.join(["edgecnn", command, *arguments]) in shown
