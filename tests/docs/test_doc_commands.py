"""Commands in the README and in docs/ exist, with their options; those that take little time are run."""

from __future__ import annotations

import html
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import cv2
import pytest
import typer
from code_blocks import ON_THE_DESK, how_held
from doc_pages import PAGES, ROOT, blocks, edgecnn_arguments, edgecnn_commands, name
from made_clips import moving
from made_once import made_once
from serving.running import ask, serving
from typer.core import TyperGroup
from video_files import write_video

from edgecnn.cli.app import COMMANDS
from edgecnn.runtime.smoothing.smoother import SmoothingOptions, write_smoothing

README = ROOT / "README.md"
WITH_COMMANDS = [page for page in PAGES if any(edgecnn_commands(page))]
# What makes the README's training short enough for a test: a small network without pretrained weights.
SHORT_TRAINING = ("--model", "resnet8", "--weights", "none", "--epochs", "2")
# `verify` may find that int8 loses too much on so few images, `teach` that it gains nothing by them, `doctor` that they
# have faults: those are answers, not errors.
ANSWERS_WITH_3 = {"verify", "teach", "doctor"}
CAMERA = re.compile(r"0$|rtsp://|/dev/video")
VIDEO = "camera.avi"  # takes the place of a camera, and ends
ON_THE_DESKS_PAGES = [
    page for page in PAGES if any(how_held(name(page), block) == ON_THE_DESK for block in blocks(page))
]


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


class Desk:
    """A folder in which the commands of pages run one after the other, each once."""

    def __init__(self, folder: Path, edgecnn: Callable[..., subprocess.CompletedProcess[str]]) -> None:
        self.folder = folder
        self.ran: list[list[str]] = []
        self._edgecnn = edgecnn

    def run(self, arguments: list[str]) -> None:
        """Runs a command unless a page before had it."""
        if arguments in self.ran or arguments[0] in {"demo", "COMMAND"}:
            return
        self.ran.append(arguments)
        command, *rest = (VIDEO if CAMERA.match(argument) else argument for argument in arguments)
        if command == "serve":
            self._serve(*arguments[1:])
            return
        found = "".join(f"{path}\n" for path in self.folder.glob("images/*"))
        done = self._edgecnn(
            command, *rest, *(SHORT_TRAINING if command == "train" else ()), cwd=self.folder, stdin=found
        )
        accepted = {0, 3} if command in ANSWERS_WITH_3 else {0}
        assert done.returncode in accepted, f"{command} {rest}: {done.stderr}"

    def _serve(self, model: str, *sources: str) -> None:
        """Until it is stopped."""
        state = {"EDGECNN_SERVE_STATE_DIR": str(self.folder / "state")}
        absolute = [source.replace("loop:", f"loop:{self.folder}/") for source in sources]
        with serving(self.folder / model, *absolute, env=state) as service:
            assert ask(f"{service.url}/healthz").status == 200
            assert service.stop() == 0


@pytest.fixture(scope="module")
def readme_folder(edgecnn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands of the README leave behind; not to be written to."""

    def make(folder: Path) -> None:
        for data, count in (("cats-dogs", "14"), ("labelled", "6")):
            draw = [sys.executable, ROOT / "scripts" / "draw_cats_and_dogs.py", folder / data, "--count", count]
            subprocess.run(draw, check=True)
        desk = Desk(folder, edgecnn)
        for arguments in edgecnn_commands(README):
            desk.run(arguments)

    return made_once("readme-commands", make, tmp_path_factory)


def test_the_commands_of_the_readme_run_in_order(readme_folder: Path) -> None:
    assert [command for command, *_ in edgecnn_commands(README)][:5] == [
        "train",
        "export",
        "quantize",
        "verify",
        "predict",
    ]
    assert (readme_folder / "model.int8.onnx").is_file()


@pytest.fixture(scope="module")
def furnished(readme_folder: Path, edgecnn, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A copy of it, with the further files that other pages name."""
    folder = tmp_path_factory.mktemp("desk") / "clone"
    shutil.copytree(readme_folder, folder)
    desk = Desk(folder, edgecnn)
    desk.ran = list(edgecnn_commands(README))
    images = sorted((folder / "labelled").rglob("*.png"))
    for name_ in ("images", "folder", "frames", "captured"):
        (folder / name_).mkdir()
        for i, image in enumerate(images):
            shutil.copy(image, folder / name_ / f"{i}.png")
    cv2.imwrite(str(folder / "image.jpg"), cv2.imread(str(images[0])))
    (folder / "data").symlink_to(folder / "cats-dogs")
    shutil.copy(folder / "model.int8.onnx", folder / "imagenet.int8.onnx")
    for name_ in ("better.onnx", "taught.onnx"):  # `teach` may have found that so few images gain nothing
        if not (folder / name_).exists():
            shutil.copy(folder / "model.onnx", folder / name_)
    write_smoothing(folder / "smoothing.json", SmoothingOptions())
    for video in (VIDEO, "clip.mp4"):
        write_video(folder / video, moving("left", 6, 0, 64), fps=10)
    return desk


@pytest.mark.parametrize("page", ON_THE_DESKS_PAGES, ids=name)
def test_the_commands_of_a_page_run(page: Path, furnished: Desk) -> None:
    shutil.rmtree(furnished.folder / "explained", ignore_errors=True)  # another page's
    for block in blocks(page):
        if how_held(name(page), block) == ON_THE_DESK:
            for line in block.commands():
                for arguments in edgecnn_arguments(line):
                    furnished.run(arguments)


def test_the_recording_shows_the_commands_of_the_readme() -> None:
    svg = (ROOT / "docs" / "images" / "terminal.svg").read_text()
    shown = html.unescape(re.sub(r"<[^>]+>", "", svg)).replace("\xa0", " ")
    for command, *arguments in list(edgecnn_commands(README))[:4]:
        assert shlex.join(["edgecnn", command, *arguments]) in shown
