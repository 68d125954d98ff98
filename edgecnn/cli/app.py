"""The command line as Typer knows it: one thin file a command, each importing what it needs only when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer

from edgecnn.cli.failures import exit_status

__all__ = ["COMMANDS", "app", "run"]

COMMANDS = (
    "train",
    "val",
    "explain",
    "export",
    "adopt",
    "quantize",
    "verify",
    "predict",
    "capture",
    "health",
    "tune",
    "benchmark",
    "inspect",
    "doctor",
    "demo",
)
"""Modules of :mod:`edgecnn.cli.commands`, in the order of the help."""


class _Commands(typer.core.TyperGroup):
    """Turns what a command raises into one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        def command() -> int:
            super(_Commands, self).invoke(ctx)
            return 0

        if status := exit_status(command):
            raise typer.Exit(status)


app = typer.Typer(
    name="edgecnn",
    cls=_Commands,
    help="An image classifier from a folder of images to a decision on a device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run() -> None:
    """Reads the command line and runs its command."""
    for name in COMMANDS:
        import_module(f"edgecnn.cli.commands.{name}").register(app)
    app(prog_name="edgecnn")
