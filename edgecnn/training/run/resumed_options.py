"""The options of a run that is resumed: those that it was begun with, and what may change on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecnn.command_options import Declaration, Option, declarations
from edgecnn.errors import UsageError
from edgecnn.image_size import show_image_size
from edgecnn.training.options import TrainOptions
from edgecnn.training.run.run_folder import RunFolder

__all__ = ["check_resumable", "resumed_options"]

# What only says how long, how fast and with which files a run goes on
_CHANGEABLE = frozenset(
    ("epochs", "patience", "time_budget_min", "device", "workers", "compile", "tensorboard", "strict")
)
_OF_THE_CALL = frozenset(("data", "out", "resume", "force"))


def resumed_options(given: TrainOptions, record: Mapping[str, Any], run: RunFolder) -> TrainOptions:
    """Returns the recorded options of a run with those given that may change.

    An option counts as given where its value is not the default.

    Args:
        given: of the call that resumes, with ``resume``.
        record: of the run, from its checkpoint.
        run: its folder.

    Raises:
        UsageError: an option given would make another run of it; or ``force``.
    """
    if given.force:
        raise UsageError("--resume and --force: give --resume to go on with the run, or --force to replace it")
    begun = TrainOptions.from_record(record, data=given.data, out=given.out, resume=True)
    changes: dict[str, Any] = {}
    for declared in declarations(TrainOptions):
        value, before = getattr(given, declared.name), getattr(begun, declared.name)
        if declared.name in _OF_THE_CALL or value in (declared.default, before):
            continue
        if declared.name == "find_lr":  # the rate found is recorded as --lr
            continue
        if declared.name not in _CHANGEABLE:
            raise UsageError(
                f"--resume: the run was begun {_told(declared, before)}, not {_told(declared, value)}; leave the "
                f"option out, or begin another run from its weights with --weights {run.best}"
            )
        changes[declared.name] = value
    return TrainOptions.from_record({**record, **changes}, data=given.data, out=given.out, resume=True)


def check_resumable(epochs: int, finished: int) -> None:
    """Raises :class:`UsageError` where ``--epochs`` asks for fewer than a run has finished."""
    if epochs < finished:
        raise UsageError(f"--epochs {epochs}: the run has finished {finished} epochs; give at least as many")


def _told(declared: Declaration, value: object) -> str:
    """An option with its value, as a command line gives it."""
    assert isinstance(declared.spec, Option)
    if declared.kind is bool:
        return f"with {declared.flag}" if value != declared.default else f"without {declared.flag}"
    if value is None:
        return f"without {declared.flag}"
    shown = show_image_size(value) if declared.name == "imgsz" else value  # type: ignore[arg-type]
    return f"with {declared.flag} {shown}"
