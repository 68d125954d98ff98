"""``edgecnn serve`` as Typer reads it; :mod:`edgecnn.cli.quick.serve` reads the same options in less memory."""

from __future__ import annotations

import typer

from edgecnn.cli.serve_options import ServeOptions
from edgecnn.cli.service import serve as run
from edgecnn.cli.typer_commands import add_command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ServeOptions,
        serve,
        "edgecnn serve model.onnx 0",
        "edgecnn serve model.onnx rtsp://camera/stream --port 8080",
        "edgecnn serve --demo",
        "edgecnn serve --config edgecnn.toml",
        "edgecnn serve --config edgecnn.toml --check-config",
    )


def serve(options: ServeOptions) -> int:
    """Run the service: a live page, an API, metrics, MQTT, safe model swaps."""
    return run(options)
