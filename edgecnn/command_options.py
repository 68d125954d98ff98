"""How a command declares its options: one frozen dataclass, each field ``Annotated`` with what a user reads of it.

The dataclass is the only place that an option stands in. The command line, its help, the quick parser of
``edgecnn predict``, the command that repeats a training run and the options that a resumed run takes from its
checkpoint are made from it.

>>> @dataclass(frozen=True)
... class Options:
...     image: Annotated[Path, Argument("Image file.")]
...     batch: Annotated[int, Option("Batch size.")] = 1
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

__all__ = ["Argument", "Declaration", "Option", "as_field_values", "declarations"]


@dataclass(frozen=True)
class Argument:
    """A value that a command line gives by its place."""

    help: str
    metavar: str | None = None


@dataclass(frozen=True)
class Option:
    """A value that a command line gives by name."""

    help: str
    flag: str | None = None  # None: the field's name with dashes; of a bool that is true unless given, `--no-…`
    short: str | None = None
    metavar: str | None = None
    default: str | None = None  # what the help shows as the default where the value itself says nothing
    parse: Callable[[str], Any] | None = None  # from the word on the command line to the field's value
    on_read: Callable[[bool], None] | None = None  # called as soon as the flag is read, before other options are
    # Whether a training run needs it to come to the same result; the run's repeat command leaves the others out
    repeated: bool = True


@dataclass(frozen=True)
class Declaration:
    """One field of an options class, as parsers need it."""

    name: str
    spec: Argument | Option
    kind: Any  # the type of one value: `int`, `Path`, a `Literal` …
    optional: bool  # None is a value
    many: bool  # a tuple, one element each time it is given
    default: Any  # dataclasses.MISSING: required

    @property
    def required(self) -> bool:
        """Whether a command line must give it."""
        return self.default is MISSING

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values of a ``Literal``."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def flag(self) -> str:
        """The long option, ``--time-budget``."""
        assert isinstance(self.spec, Option)
        return self.spec.flag or f"--{self.name.replace('_', '-')}"


def declarations(options: type) -> tuple[Declaration, ...]:
    """Every annotated field of an options class: its own first, then those of its bases, in their order.

    A field without :class:`Argument` or :class:`Option` is for programs alone.
    """
    defaults = {f.name: f.default for f in fields(options)}
    found: dict[str, Declaration] = {}
    for owner in options.__mro__:
        for name, text in inspect.get_annotations(owner).items():
            if name in defaults and name not in found:
                annotation = _evaluated(text, owner)
                if get_origin(annotation) is Annotated:
                    found[name] = _declaration(name, annotation, defaults[name])
    return tuple(found.values())


def as_field_values(options: type, record: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a record that a checkpoint or a JSON file holds, as the fields' types; fields alone.

    What the record lacks, since it is older than the option, keeps its default.
    """
    known = {d.name: d for d in declarations(options)}
    return {name: _as_type(known[name], value) for name, value in record.items() if name in known}


def _as_type(declared: Declaration, value: Any) -> Any:
    if value is None:
        return None
    if declared.many:
        return tuple(value)
    return Path(value) if declared.kind is Path else value


def _evaluated(annotation: object, owner: type) -> object:
    """An annotation that ``from __future__ import annotations`` left as text."""
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, vars(sys.modules[owner.__module__]))  # noqa: S307  # our own source text


def _declaration(name: str, annotation: object, default: object) -> Declaration:
    kind, spec = get_args(annotation)[:2]
    spec = cast("Argument | Option", spec)
    optional = False
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [part for part in get_args(kind) if part is not type(None)]
        optional, kind = len(kinds) < len(get_args(kind)), kinds[0]
    parsed = isinstance(spec, Option) and spec.parse is not None
    many = get_origin(kind) is tuple and not parsed
    return Declaration(name, spec, get_args(kind)[0] if many else kind, optional, many, default)
