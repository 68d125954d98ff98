"""The options of ``edgecnn serve``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from edgecnn.command_options import Argument, Option

__all__ = ["ServeOptions"]


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What the service runs, and where it listens."""

    model: Annotated[Path | None, Argument("Model file (.onnx); without it, those of --config.")] = None
    sources: Annotated[
        tuple[str, ...],
        Argument(
            "Cameras and streams (0, /dev/video0, csi:, rtsp://, http://, loop:FOLDER, fake:); without any, those of "
            "--config.",
            metavar="SOURCE",
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
    demo: Annotated[bool, Option("Serve the newest model of `edgecnn demo`, with its held-out images as a camera.")] = (
        False
    )
    check_config: Annotated[bool, Option("Check the settings and all files that they name, then exit.")] = False
