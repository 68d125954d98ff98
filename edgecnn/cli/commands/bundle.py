"""``edgecnn bundle``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from edgecnn.cli.options import JsonOption, require_extra
from edgecnn.cli.output import note, print_facts, print_json
from edgecnn.cli.reporting import reporting
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option
from edgecnn.errors import UsageError

__all__ = ["register"]


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        raise UsageError(f"--support-until {word}: expected a date as 2031-12-31") from error


@dataclass(frozen=True, kw_only=True)
class BundleOptions(JsonOption):
    """Options of ``edgecnn bundle``."""

    model: Annotated[Path, Argument("Model file, which is checked in full first.")]
    out: Annotated[Path, Option("Folder to write.", short="-o", metavar="DIR")]
    target: Annotated[Literal["linux-aarch64", "linux-x86_64"], Option("System and processor of the device.")] = (
        "linux-aarch64"
    )
    python: Annotated[str, Option("Python of the device.", metavar="3.N")] = (
        f"{sys.version_info.major}.{sys.version_info.minor}"
    )
    config: Annotated[
        Path | None,
        Option("Configuration of the service (TOML).", metavar="FILE", default="this model and camera 0"),
    ] = None
    sign: Annotated[
        Path | None,
        Option(
            "Private key (PEM, elliptic curve) that signs the bundle; bundle-verify refuses unsigned ones.",
            metavar="KEY",
            default="unsigned",
        ),
    ] = None
    wheels: Annotated[
        bool, Option("Download the packages for the device, so that it can be installed without a network.")
    ] = False
    edgecnn_wheel: Annotated[
        Path | None,
        Option("EdgeCNN's own wheel, for --wheels.", metavar="FILE", default="built from the repository"),
    ] = None
    version: Annotated[
        int | None,
        Option("Version of the bundle: a number that grows.", metavar="N", default="the seconds since 1970"),
    ] = None
    support_until: Annotated[
        date | None,
        Option(
            "Last day on which you supply security updates, as 2031-12-31; recorded in the bundle.",
            metavar="DATE",
            default="not stated",
            parse=_day,
        ),
    ] = None
    force: Annotated[bool, Option("Replace the bundle that the folder holds.")] = False


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        BundleOptions,
        bundle,
        "edgecnn bundle model.int8.onnx -o device",
        "edgecnn bundle model.int8.onnx -o device --config edgecnn.toml --sign signing-key.pem --wheels",
    )


def bundle(options: BundleOptions) -> None:
    """Write the folder that brings a model and its service to a device: everything to install, signed."""
    require_extra("edgecnn bundle", "serve")
    from edgecnn.serving.bundle.target import Target
    from edgecnn.serving.bundle.write import BundleRequest, write_bundle

    request = BundleRequest(
        model=options.model,
        out=options.out,
        target=Target(options.target, options.python),
        config=options.config,
        sign=options.sign,
        wheels=options.wheels,
        edgecnn_wheel=options.edgecnn_wheel,
        version=options.version,
        support_until=options.support_until,
        force=options.force,
    )
    with reporting() as reporter:
        written = write_bundle(request, reporter)
    if written.passwords:
        note("edgecnn: the bundle holds a password in an address of --config; keep it as secret, or use address_file")
    if not written.signed:
        note("edgecnn: the bundle is not signed, so bundle-verify will refuse it; sign it with --sign KEY")
    if options.json:
        print_json({name: getattr(written, name) for name in ("dir", "files", "signed", "sbom", "version")})
        return
    rows = [
        ("target", f"{options.target}, Python {options.python}"),
        ("version", str(written.version)),
        ("signed", "yes" if written.signed else "no"),
        ("files", ", ".join(name for name in written.files if not name.startswith("wheels/"))),
        ("wheels", str(sum(name.startswith("wheels/") for name in written.files))),
    ]
    print_facts(f"{written.dir}: README.md there has the steps on the device", rows)
