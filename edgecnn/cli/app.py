"""The command line as Typer knows it: one thin file a command, each importing what it needs only when it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer

from edgecnn._version import __version__
from edgecnn.cli.failures import exit_status

__all__ = ["COMMANDS", "app", "run"]

COMMANDS = (
    "train",
    "val",
    "explain",
    "export",
    "adopt",
    "quantize",
    "search",
    "teach",
    "verify",
    "predict",
    "capture",
    "health",
    "tune",
    "benchmark",
    "inspect",
    "doctor",
    "serve",
    "bundle",
    "bundle_verify",
    "demo",
)
"""Modules of :mod:`edgecnn.cli.commands`, in the order of the help. In a command's name an underscore is a dash."""


class _Commands(typer.core.TyperGroup):
    """Turns what a command raises into one line and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        def command() -> int:
            super(_Commands, self).invoke(ctx)
            return 0

        if status := exit_status(command):
            raise typer.Exit(status)


def _print_version(wanted: bool) -> None:  # noqa: FBT001  # a callback of Typer's
    if wanted:
        print(f"edgecnn {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="edgecnn",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _edgecnn(
    version: Annotated[  # its callback does the work
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """An image classifier from a folder of images to a decision on a device."""


def run() -> None:
    """Reads the command line and runs its command."""
    for name in COMMANDS:
        import_module(f"edgecnn.cli.commands.{name}").register(app)
    app(prog_name="edgecnn")
