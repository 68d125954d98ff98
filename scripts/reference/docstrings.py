"""Docstrings and the comments of fields as Markdown."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from reference.source import Found, bases, module_file, value_of

_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):`~?(?:[\w.]*\.)?([\w]+)`")
_LIST = re.compile(r"^(Args|Raises|Returns|Yields|Attributes):(.*)$")
_ITEM = re.compile(r"^ {4}(\S[^:]*):\s*(.*)$")


@dataclass(frozen=True)
class Field:
    """A field of a dataclass."""

    name: str
    type: str
    text: str


def as_markdown(text: str) -> str:
    """Text with lists for ``Args:`` and its like, and a block for an example at a prompt."""
    lines: list[str] = []
    inside = ""  # the list or block that the last line belongs to
    for line in _ROLE.sub(r"``\1``", text).splitlines():
        if inside == "prompt" and not line.strip():
            lines.append("```")
            inside = ""
        if line.startswith(">>>") and inside != "prompt":
            lines.append("```pycon")
            inside = "prompt"
        if inside == "prompt":
            lines.append(line)
        elif heading := _LIST.match(line):
            lines += ["", f"{heading[1]}:{heading[2]}", ""]
            inside = "list"
        elif inside == "list" and (item := _ITEM.match(line)):
            lines.append(f"- {_names(item[1])}: {item[2]}")
        elif inside == "list" and line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    if inside == "prompt":
        lines.append("```")
    joined = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return _outside(joined)


def fields_of(found: Found) -> Iterator[Field]:
    """The fields of a dataclass and of its bases, with what ``Option`` or a comment says of them."""
    assert isinstance(found.node, ast.ClassDef)
    if not any("dataclass" in ast.unparse(one) for one in found.node.decorator_list):
        return
    above = found.node.lineno
    for node in found.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            yield _field(found.module, node, above)
        above = node.end_lineno or above
    for base in bases(found):
        yield from fields_of(base)


def _field(module: str, node: ast.AnnAssign, above: int) -> Field:
    kind, text = _annotated(module, node.annotation)
    comments = _comments(module)
    text = text or " ".join(comments[n] for n in range(above + 1, (node.end_lineno or 0) + 1) if n in comments)
    default = f" = {ast.unparse(_constant(module, node.value))}" if node.value else ""
    return Field(ast.unparse(node.target), f"`{_cell(kind + default)}`", _cell(text))


def _annotated(module: str, annotation: ast.expr) -> tuple[str, str]:
    """The type, and the help of an ``Argument`` or ``Option``."""
    named = value_of(module, annotation.id) if isinstance(annotation, ast.Name) else None
    owner, written = named or (module, annotation)
    if not (isinstance(written, ast.Subscript) and ast.unparse(written.value) == "Annotated"):
        return ast.unparse(annotation), ""
    assert isinstance(written.slice, ast.Tuple)
    kind, spec = written.slice.elts[:2]
    text = _constant(owner, spec.args[0]) if isinstance(spec, ast.Call) else None
    return ast.unparse(kind), str(text.value) if isinstance(text, ast.Constant) else ""


def _constant(module: str, value: ast.expr) -> ast.expr:
    """The number or text that a name stands for; anything else as it is."""
    found = value_of(module, value.id) if isinstance(value, ast.Name) else None
    return found[1] if found and isinstance(found[1], ast.Constant) else value


@cache
def _comments(module: str) -> dict[int, str]:
    """The comments of a module by their lines, without those to linters."""
    source = module_file(module).read_text()
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and "noqa" not in token.string and "type:" not in token.string
    }


def _names(text: str) -> str:
    return ", ".join(f"``{one.strip()}``" for one in text.split(","))


def _outside(text: str) -> str:
    """Double backquotes made single, except for those of blocks."""
    return re.sub(r"(?<!`)``(?!`)", "`", text)


def _cell(text: str) -> str:
    return _outside(text).replace("|", "\\|")
