"""Typer commands made from options classes (:mod:`edgecnn.command_options`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import typer

from edgecnn.command_options import Argument, Declaration, Option, declarations

__all__ = ["add_command", "command_name"]

O = TypeVar("O")  # noqa: E741  # an options class


def add_command(app: typer.Typer, options: type[O], run: Callable[[O], int | None], *examples: str) -> None:
    """Adds ``run`` as a command of its own name, in which an underscore becomes a dash: ``bundle_verify`` is
    ``bundle-verify``.

    Args:
        app: gets the command.
        options: the frozen dataclass that declares the command's arguments and options.
        run: is called with an instance; returns the exit status, None for 0. Its docstring is the command's help.
        examples: command lines that the help ends with.
    """
    declared = declarations(options)

    def command(**values: Any) -> None:
        if status := run(options(**_field_values(declared, values))):
            raise typer.Exit(status)

    parameters = [_parameter(d) for d in declared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = run.__doc__
    app.command(command_name(run.__name__), epilog=_epilog(examples))(command)


def command_name(module: str) -> str:
    """The name on the command line of a module of :mod:`edgecnn.cli.commands`."""
    return module.replace("_", "-")


def _epilog(examples: tuple[str, ...]) -> str:
    """Blank lines keep Typer from joining the examples."""
    return "\n\n".join(("Examples:", *(f"  {line}" for line in examples)))


def _field_values(declared: tuple[Declaration, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """Typer's values as the fields'.

    A list becomes a tuple, a word of an option with a parser what that makes of it. The flag of a field that is true by
    default says that it is false. Raises what the parsers raise.
    """
    found = dict(values)
    for d in declared:
        if d.many:
            found[d.name] = tuple(found[d.name] or ())
        elif _is_negative(d):
            found[d.name] = not found[d.name]
        elif isinstance(d.spec, Option) and d.spec.parse:
            found[d.name] = d.default if found[d.name] is None else d.spec.parse(found[d.name])
    return found


def _is_negative(d: Declaration) -> bool:
    return isinstance(d.spec, Option) and d.default is True and "/" not in d.flag


def _parameter(d: Declaration) -> inspect.Parameter:
    kind: Any = list[d.kind] if d.many else d.kind  # type: ignore[name-defined]  # a value, not a name
    default = inspect.Parameter.empty if d.required else d.default
    if isinstance(d.spec, Option) and d.spec.parse:
        kind, default = str | None, None
    elif d.many and not d.required:
        kind, default = kind | None, None
    elif d.optional:
        kind = kind | None
    elif _is_negative(d):
        default = False
    info = _argument(d.name, d.spec) if isinstance(d.spec, Argument) else _option(d, d.spec)
    return inspect.Parameter(d.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _shown(text: str) -> str:
    """Help as Typer must be given it: what stands in brackets is no markup."""
    return text.replace("[", "\\[")


def _argument(name: str, spec: Argument) -> Any:
    return typer.Argument(help=_shown(spec.help), metavar=spec.metavar or name.upper())


def _option(d: Declaration, spec: Option) -> Any:
    names = [name for name in (spec.short, d.flag) if name]
    return typer.Option(
        *names,
        help=_shown(spec.help),
        metavar=spec.metavar,
        show_default=spec.default or True,
        callback=spec.on_read,
        is_eager=spec.on_read is not None,
    )
