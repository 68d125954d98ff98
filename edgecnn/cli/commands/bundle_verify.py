"""``edgecnn bundle-verify``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from edgecnn.cli.options import JsonOption
from edgecnn.cli.output import note, print_findings, print_json
from edgecnn.cli.typer_commands import add_command
from edgecnn.command_options import Argument, Option

__all__ = ["register"]


@dataclass(frozen=True, kw_only=True)
class BundleVerifyOptions(JsonOption):
    """Options of ``edgecnn bundle-verify``."""

    folder: Annotated[Path, Argument("Folder that edgecnn bundle wrote.", metavar="DIR")]
    key: Annotated[
        Path,
        Option("Public key (PEM) of whoever made the bundle. It must not come from the bundle.", metavar="FILE"),
    ]
    record: Annotated[
        Path | None,
        Option(
            "File that keeps the newest version verified on this device: an older bundle is refused.",
            metavar="FILE",
            default="any version",
        ),
    ] = None


def register(app: typer.Typer) -> None:
    """Adds the command."""
    add_command(
        app,
        BundleVerifyOptions,
        bundle_verify,
        "edgecnn bundle-verify device --key bundle-key.pem",
        "edgecnn bundle-verify device --key bundle-key.pem --record /var/lib/edgecnn/bundle-record.json",
    )


def bundle_verify(options: BundleVerifyOptions) -> int:
    """Refuse a bundle that is unsigned, changed, older than the one before, or leads out of its folder (status 3)."""
    from edgecnn.serving.bundle.verify import verify_bundle

    result = verify_bundle(options.folder, options.key, options.record)
    if options.json:
        print_json({"ok": result.ok, "findings": result.findings})
    else:
        print_findings(result.findings)
    if not result.ok:
        note(f"edgecnn: {options.folder}: the bundle is refused; do not install it")
        return 3
    return 0
