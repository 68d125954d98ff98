"""``edgecnn serve`` without Typer: what its imports take in memory would be held for as long as the service runs.

What is not plain here (a wrong option, ``--help``) is left to Typer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgecnn.cli.failures import exit_status
from edgecnn.cli.quick.parser import NotPlainError, parse_quickly
from edgecnn.cli.serve_options import ServeOptions
from edgecnn.cli.service import serve

__all__ = ["serve_quickly"]


def serve_quickly(arguments: Sequence[str]) -> None:
    """Ends the program with the service's status; returns where Typer must read the options."""
    try:
        options = parse_quickly(ServeOptions, arguments)
    except NotPlainError:
        return
    sys.exit(exit_status(lambda: serve(options)))
