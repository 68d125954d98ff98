"""Finds where a public name is defined, by reading the source of its package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_OURS = ("edgecnn", "exporters")


@dataclass(frozen=True)
class Found:
    """A definition, and the module that has it."""

    module: str
    node: ast.stmt


@cache
def module_text(module: str) -> ast.Module:
    """The parsed source of a module."""
    return ast.parse(module_file(module).read_text())


def module_file(module: str) -> Path:
    """The file of a module or package."""
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def find(module: str, name: str) -> Found:
    """The class or function that ``from module import name`` gives, through packages that only pass it on."""
    tree = module_text(module)
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Found(module, node)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(node.module, alias.name)
    raise LookupError(f"{module} has no {name}")


def value_of(module: str, name: str) -> tuple[str, ast.expr] | None:
    """What a module of ours assigns to a name at its top, and that module; None where the name is something else."""
    tree = module_text(module)
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if name in map(ast.unparse, targets) and isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            return module, node.value
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in _OURS:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return value_of(node.module, alias.name)
    return None


def method_owners(found: Found) -> Iterator[ast.ClassDef]:
    """The class, then those of its bases that are ours."""
    assert isinstance(found.node, ast.ClassDef)
    yield found.node
    for base in bases(found):
        assert isinstance(base.node, ast.ClassDef)
        yield from method_owners(base)


def bases(found: Found) -> Iterator[Found]:
    """The bases that this project defines."""
    assert isinstance(found.node, ast.ClassDef)
    for base in found.node.bases:
        try:
            yield find(found.module, ast.unparse(base))
        except (LookupError, FileNotFoundError):
            continue
