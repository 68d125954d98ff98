"""docs/commands.md: every command with its arguments, options and examples, as ``--help`` shows them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from typer.models import ArgumentInfo

from edgecnn.cli.app import COMMANDS

HEAD = """# The commands

Every command of `edgecnn`, with the text of its `--help`. `scripts/make_reference.py` writes this page from the
program; a test compares them. [first-model](first-model.md) shows the commands in their order of use.

Options that take no value are switches. `edgecnn --version` prints the version, `edgecnn --help` the commands.
[Exit status](first-model.md#exit-status) says what a command returns.
"""

_WORDS = {int: "N", float: "F", Path: "PATH", str: "TEXT"}


class _Listener:
    """Stands in for the Typer app, and hears what each command registers."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Callable[..., None]]] = []

    def command(self, name: str, *, epilog: str) -> Callable[[Callable[..., None]], None]:
        """As Typer's."""
        return lambda run: self.heard.append((name, epilog, run))


def commands_page() -> str:
    """The whole page."""
    listener = _Listener()
    for module in COMMANDS:
        import_module(f"edgecnn.cli.commands.{module}").register(listener)
    lines = [HEAD, "| command | does |", "| --- | --- |"]
    lines += [f"| [`{name}`](#{name}) | {_cell(_first_line(run))} |" for name, _, run in listener.heard]
    for name, epilog, run in listener.heard:
        lines += ["", *_section(name, epilog, run)]
    return "\n".join(lines) + "\n"


def _section(name: str, epilog: str, run: Callable[..., None]) -> Iterator[str]:
    parameters = list(inspect.signature(run).parameters.values())
    infos = [(p, *get_args(p.annotation)[:2]) for p in parameters]
    arguments = [(p, kind, info) for p, kind, info in infos if isinstance(info, ArgumentInfo)]
    options = [(p, kind, info) for p, kind, info in infos if not isinstance(info, ArgumentInfo)]
    yield f"## {name}"
    yield ""
    yield inspect.cleandoc(run.__doc__ or "")
    yield ""
    yield "```text"
    yield " ".join(["edgecnn", name, *(_place(p, kind, info) for p, kind, info in arguments), "[OPTIONS]"])
    yield "```"
    if arguments:
        yield from ("", "| argument | |", "| --- | --- |")
        yield from (f"| `{info.metavar}` | {_cell(info.help)} |" for _, _, info in arguments)
    yield from ("", "| option | default | |", "| --- | --- | --- |")
    for p, kind, info in options:
        yield f"| {_names(kind, info)} | {_default(p, info)} | {_cell(info.help)} |"
    yield from ("", "```sh")
    yield from (line.strip() for line in epilog.splitlines()[1:] if line.strip())
    yield "```"


def _first_line(run: Callable[..., None]) -> str:
    return inspect.cleandoc(run.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _place(p: inspect.Parameter, kind: Any, info: Any) -> str:
    word = f"{info.metavar}..." if _is_list(kind) else str(info.metavar)
    return word if p.default is inspect.Parameter.empty else f"[{word}]"


def _names(kind: Any, info: Any) -> str:
    value = _value(kind, info)
    # In an annotation Typer takes the first name for the default, and sets that right when the command is made
    names = (info.default, *(info.param_decls or ()))
    return ", ".join(f"`{name}`" for name in names) + (f" `{_cell(value)}`" if value else "")


def _value(kind: Any, info: Any) -> str:
    """What stands for the value; empty: a switch."""
    if _bare(kind) is bool:
        return ""
    if get_origin(_bare(kind)) is Literal:
        return "|".join(map(str, get_args(_bare(kind))))
    return str(info.metavar or _WORDS.get(_bare(kind), "TEXT"))


def _default(p: inspect.Parameter, info: Any) -> str:
    if isinstance(info.show_default, str):
        return _cell(info.show_default)
    if p.default is inspect.Parameter.empty:
        return "required"
    return "" if p.default is None or p.default is False else f"`{p.default}`"


def _bare(kind: Any) -> Any:
    """One value's type: without None, and without the list around it."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not NoneType)
    return get_args(kind)[0] if get_origin(kind) is list else kind


def _is_list(kind: Any) -> bool:
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return any(get_origin(part) is list for part in parts)


def _cell(text: str) -> str:
    """Text that a table can hold: no bars, no markup that the text does not mean."""
    plain = " ".join(text.replace("\\[", "[").split())
    return "`".join(
        part if i % 2 else part.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
        for i, part in enumerate(plain.split("`"))
    )
