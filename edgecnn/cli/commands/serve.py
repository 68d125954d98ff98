"""``edgecnn serve``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from edgecnn.cli.output import note
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.errors import MissingExtraError, UsageError

__all__ = ["ServeOptions", "register", "serve"]


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What the service runs, and where it listens."""

    model: Annotated[Path | None, Argument("Model file (.onnx); without it, those of --config.")] = None
    sources: Annotated[
        tuple[str, ...],
        Argument(
            "Cameras and streams (0, /dev/video0, csi:, rtsp://, http://, loop:FOLDER, fake:); without any, those of "
            "--config.",
            metavar="[SOURCE]",
        ),
    ] = ()
    config: Annotated[
        Path | None, Option("Settings file (TOML, see docs/serve.md). Flags win over it.", metavar="FILE")
    ] = None
    host: Annotated[str | None, Option("Address to listen on.", default="127.0.0.1")] = None
    port: Annotated[int | None, Option("Port to listen on; 0: any free one.", default="4912")] = None
    token_file: Annotated[
        Path | None, Option("File with the token; required for other addresses than loopback.", metavar="FILE")
    ] = None
    mqtt: Annotated[str | None, Option("MQTT broker, as mqtt://HOST:1883.", metavar="URL")] = None
    check_config: Annotated[bool, Option("Check the settings and all files that they name, then exit.")] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        ServeOptions,
        serve,
        "edgecnn serve model.onnx 0",
        "edgecnn serve model.onnx rtsp://camera/stream --port 8080",
        "edgecnn serve --config edgecnn.toml",
        "edgecnn serve --config edgecnn.toml --check-config",
    )


def serve(options: ServeOptions) -> int:
    """Run the service: a live page, an API, metrics, MQTT, safe model swaps."""
    try:
        from edgecnn.serving.running import check_service, run_service
        from edgecnn.serving.settings.reading import read_settings
    except ImportError as error:
        raise MissingExtraError(
            f"edgecnn serve needs {error.name}; install it with pip install 'edgecnn[serve]'"
        ) from error
    if options.config is None and options.model is None:
        raise UsageError("give a model file and a camera, as in `edgecnn serve model.onnx 0`, or --config FILE")
    settings = read_settings(options.config, _flags(options))
    if options.check_config:
        check_service(settings)
        note("the settings are valid")
        return 0
    return run_service(settings, note)


def _flags(options: ServeOptions) -> dict[str, Any]:
    """What the command line sets, in the form of the settings file."""
    given = {"host": options.host, "port": options.port, "token_file": options.token_file}
    flags: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if options.model is not None:
        flags["models"] = [{"name": "main", "file": options.model}]
    if options.sources:
        names = ["camera"] if len(options.sources) == 1 else [f"camera{i + 1}" for i in range(len(options.sources))]
        flags["sources"] = [{"name": n, "address": s} for n, s in zip(names, options.sources, strict=True)]
    if options.mqtt is not None:
        flags["mqtt"] = {"url": options.mqtt}
    return flags
