"""The files of a finished demo that other commands use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgecnn.errors import InputNotFoundError

__all__ = ["HELD_OUT", "RUNS", "SHIPPED_MODEL", "DemoFiles", "newest_demo"]

RUNS = Path("runs") / "demo"
SHIPPED_MODEL = "model.int8.onnx"
HELD_OUT = "held-out.txt"
_FINISHED = "summary.json"  # is written last


@dataclass(frozen=True)
class DemoFiles:
    """What a demo wrote."""

    model: Path
    held_out: Path  # text file with the paths of the held-out images


def newest_demo(runs: Path = RUNS) -> DemoFiles:
    """The files of the newest finished demo. Raises :class:`InputNotFoundError` where there is none."""
    finished = [path.parent for path in runs.glob(f"*/{_FINISHED}") if (path.parent / HELD_OUT).is_file()]
    if not finished:
        raise InputNotFoundError(f"{runs}: no finished demo; run `edgecnn demo` in this folder first")
    newest = max(finished, key=lambda folder: (folder / _FINISHED).stat().st_mtime)
    return DemoFiles(newest / SHIPPED_MODEL, newest / HELD_OUT)
