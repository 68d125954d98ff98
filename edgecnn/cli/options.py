"""Options that several commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from edgecnn.evaluation.parity import VerifiableModel
    from edgecnn.runtime.session.run_options import RunOptions

__all__ = [
    "Arena",
    "Ep",
    "EpOption",
    "Health",
    "Json",
    "Out",
    "Power",
    "StrictEp",
    "open_model",
    "require_extra",
    "run_options",
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")]
Ep = Annotated[
    str,
    typer.Option(
        help=(
            "Execution provider, or several in order: cpu, cuda, tensorrt, openvino …; auto: the best that passes "
            "the golden samples."
        )
    ),
]
EpOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KEY=VALUE", help="An option of the first provider named, passed to it as it is; may be repeated."
    ),
]
Power = Annotated[
    Literal["normal", "low"],
    typer.Option(help="low: threads sleep between inferences instead of spinning, for devices that run on a battery."),
]
Arena = Annotated[
    bool, typer.Option("--arena/--no-arena", help="Without, the CPU provider gives memory back after each inference.")
]
StrictEp = Annotated[
    bool, typer.Option("--strict-ep", help="Refuse a model of which the provider leaves any node to the CPU.")
]
Health = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|off",
        help="Limits of frame health for cameras and videos, as `edgecnn health` learns them; off: every frame is fit.",
        show_default="wide limits",
    ),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", help="The file to write.")]


def run_options(
    threads: int | None, power: Power, arena: Arena, strict_ep: StrictEp, ep_option: EpOption
) -> RunOptions:
    """What the options above say of a session."""
    from edgecnn.runtime.session.run_options import RunOptions, read_provider_options

    return RunOptions(threads, power, arena, strict_ep, provider_options=read_provider_options(ep_option or ()))


def open_model(path: Path, ep: str) -> VerifiableModel:
    """A checkpoint (which needs torch) or a model file (which does not)."""
    from edgecnn.runtime.session.model_file import is_checkpoint
    from edgecnn.runtime.session.opening import open_session

    if not is_checkpoint(path):
        return open_session(path, ep)
    require_extra("evaluating a checkpoint")
    from edgecnn.training.torch_backend import open_checkpoint

    return open_checkpoint(path)


def require_extra(what: str) -> None:
    """Raises :class:`MissingExtraError` where training's packages are not installed."""
    from importlib.util import find_spec

    from edgecnn.errors import MissingExtraError

    missing = [name for name in ("torch", "onnx", "onnxscript", "matplotlib") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, not installed here; run pip install 'edgecnn[train]'"
        )
