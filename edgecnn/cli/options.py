"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from edgecnn.parity import Rung

__all__ = ["Ep", "Json", "Out", "open_model", "require_extra"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")]
Ep = Annotated[
    str, typer.Option(help="Execution provider, or several in order: cpu, cuda, tensorrt, openvino …; auto: the best that passes the golden samples.")
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="The file to write.")]


def open_model(path: Path, ep: str) -> Rung:
    """A checkpoint (which needs torch) or a model file (which does not)."""
    from edgecnn.runtime.model_file import is_checkpoint
    from edgecnn.runtime.session import open_session

    if not is_checkpoint(path):
        return open_session(path, ep)
    require_extra("judging a checkpoint")
    from edgecnn.training.judge import open_checkpoint

    return open_checkpoint(path)


def require_extra(what: str) -> None:
    """Raises :class:`MissingExtraError` where training's packages are not installed."""
    from importlib.util import find_spec

    from edgecnn.errors import MissingExtraError

    missing = [name for name in ("torch", "onnx", "onnxscript", "matplotlib") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{what} needs {', '.join(missing)}, not installed here; run pip install 'edgecnn[train]'")
