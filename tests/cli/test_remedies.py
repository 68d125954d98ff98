"""A remedy that names a command or an option names one that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import typer

from edgecnn.cli.app import COMMANDS, app

ROOT = Path(__file__).parents[2]
# Of pip, containers, venv and rpicam-hello; and of a child process
OF_OTHERS = {"--edgecnn-child", "--force-reinstall", "--upgrade", "--gpus", "--system-site-packages", "--list-cameras"}


OF_OTHERS |= {"--disable-pip-version-check", "--no-input", "--retries", "--timeout", "--quiet", "--no-deps"}  # of pip
OF_OTHERS |= {"--wheel-dir", "--only-binary", "--implementation", "--python-version", "--platform", "--dest"}
OF_OTHERS |= {"--no-index", "--find-links", "--hash"}


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options of every command, with those of the program itself under an empty name."""
    for name in COMMANDS:
        import_module(f"edgecnn.cli.commands.{name}").register(app)
    group = typer.main.get_command(app)
    found = {"": _flags(group)}
    return found | {name: _flags(command) for name, command in group.commands.items()}  # type: ignore[attr-defined]


def _flags(command: object) -> set[str]:
    found = {"--help"}
    for parameter in command.params:  # type: ignore[attr-defined]
        found |= {*parameter.opts, *parameter.secondary_opts}
    return found


@cache
def texts() -> tuple[tuple[Path, int, str], ...]:
    """Every string of the product; what an f-string puts in is ``{}``."""
    return tuple(_texts())


def _texts() -> Iterator[tuple[Path, int, str]]:
    for package in ("edgecnn", "exporters"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    yield (
                        path,
                        node.lineno,
                        "".join(str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values),
                    )
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                    yield path, node.lineno, node.value


def test_remedies_name_commands_that_there_are(options: dict[str, set[str]]) -> None:
    wrong, seen = [], 0
    for path, line, text in texts():
        for match in re.finditer(r"(?<![\w./-])edgecnn ([a-z-]+)((?: +[^`;,()\n]+)?)", text):
            command, rest = match.groups()
            if command not in options:
                wrong.append(f"{path.name}:{line}: no command {command!r} in {match.group(0)!r}")
                continue
            seen += 1
            wrong += [
                f"{path.name}:{line}: {command} has no {flag}"
                for flag in re.findall(r"(?<!\w)--[a-z][a-z0-9-]*", rest)
                if flag not in options[command]
            ]
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def test_every_command_that_reads_images_has_a_limit_of_their_size(options: dict[str, set[str]]) -> None:
    # demo trains on images that it makes, or with the usual limit; serve has limits.megapixels in its settings
    reads_none = {"", "inspect", "demo", "serve", "bundle", "bundle-verify"}
    assert {name for name, flags in options.items() if "--max-megapixels" not in flags} == reads_none


def test_remedies_name_options_that_some_command_has(options: dict[str, set[str]]) -> None:
    known = set().union(*options.values()) | OF_OTHERS
    wrong, seen = [], 0
    for path, line, text in texts():
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text):
            seen += 1
            if flag not in known:
                wrong.append(f"{path.name}:{line}: no command has {flag}: {text[:90]!r}")
    assert seen > 100
    assert not wrong, "\n".join(wrong)
