"""Reads options by argparse alone. A command line that is not plain raises, and is left to Typer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn, TypeVar

from edgecnn.command_options import Argument, Declaration, declarations

__all__ = ["NotPlainError", "parse_quickly"]

O = TypeVar("O")  # noqa: E741  # an options class


class NotPlainError(Exception):
    """Left to Typer."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise NotPlainError(message)


def parse_quickly(options: type[O], words: Sequence[str]) -> O:
    """An instance of an options class. Raises :class:`NotPlainError`."""
    declared = declarations(options)
    # Without a width it looks up the terminal's, which imports shutil and four compression modules
    parser = _Parser(add_help=False, allow_abbrev=False, formatter_class=partial(argparse.HelpFormatter, width=80))
    for d in declared:
        parser.add_argument(*_names(d), **_settings(d))
    found = vars(parser.parse_args(words))
    return options(**found | {d.name: tuple(found[d.name] or ()) for d in declared if d.many})


def _names(d: Declaration) -> list[str]:
    if isinstance(d.spec, Argument):
        return [d.name]
    return [name for name in (d.spec.short, d.flag.partition("/")[0]) if name]


def _settings(d: Declaration) -> dict[str, Any]:
    """The arguments of ``add_argument``."""
    if isinstance(d.spec, Argument):
        if d.required:
            return {"type": d.kind, "nargs": "+" if d.many else None}
        return {"type": d.kind, "nargs": "*" if d.many else "?", "default": None if d.many else d.default}
    common: dict[str, Any] = {"dest": d.name, "default": None if d.many else d.default}
    if d.kind is bool:
        return common | {"action": argparse.BooleanOptionalAction if "/" in d.flag else "store_true"}
    if d.many:
        return common | {"action": "append", "type": d.kind}
    return common | {"type": d.spec.parse or (str if d.choices else d.kind), "choices": d.choices or None}
