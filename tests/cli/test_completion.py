"""Completion in the shell: Typer's, which the quick ways of `predict` and `serve` must not get in the way of."""

from __future__ import annotations

import pytest

from edgecnn.cli.app import COMMANDS
from edgecnn.cli.typer_commands import command_name


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("edgecnn pre", {"predict"}),
        ("edgecnn bundle", {"bundle", "bundle-verify"}),
        ("edgecnn predict --form", {"--format"}),
        ("edgecnn serve --check", {"--check-config"}),
        ("edgecnn predict --format c", {"csv"}),
        ("edgecnn ", {command_name(command) for command in COMMANDS}),
    ],
)
def test_the_shell_is_offered_commands_options_and_choices(edgecnn, typed: str, offered: set[str]) -> None:
    words = str(len(typed.split(" ")) - 1)
    env = {"_EDGECNN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": words}
    done = edgecnn(env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == offered


def test_the_script_for_a_shell_is_printed(edgecnn) -> None:
    done = edgecnn("--show-completion", "bash", env={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"})
    assert done.returncode == 0, done.stderr
    assert "_EDGECNN_COMPLETE=complete_bash" in done.stdout
    assert "_edgecnn_completion edgecnn" in done.stdout
