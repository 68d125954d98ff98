"""docs/python.md: the names that programs may import, with their signatures and docstrings.

It reads the source and imports nothing: the comments behind the fields of a dataclass are their documentation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from reference.docstrings import as_markdown, fields_of
from reference.source import Found, find, method_owners, module_text

HEAD = """# The Python API

What programs may import, with the signatures and docstrings of the source. `scripts/make_reference.py` writes this
page; a test compares them. [embed](embed.md) shows how to use it. Names that are not listed may change in any version.

The device needs `edgecnn` alone. `edgecnn.training` and `exporters` need the extra `train`
([install](install.md#what-to-install)).
"""

_FOR_ITSELF = {"answer_next", "decided", "reject", "rejected", "report_missing", "single_threaded", "unavailable"}
"""Methods without an underscore that only EdgeCNN's own modules call."""

_RUNTIME = "edgecnn.runtime"

SECTIONS: dict[str, tuple[str, ...]] = {
    "Classify": (
        "edgecnn.Classifier",
        "edgecnn.Prediction",
        "edgecnn.Score",
        "edgecnn.Frame",
        "edgecnn.open_source",
        "edgecnn.Manifest",
        "edgecnn.freeze_support",
    ),
    "Cameras, regions, smoothing": (
        f"{_RUNTIME}.streaming.stream.StreamOptions",
        f"{_RUNTIME}.sources.LiveOptions",
        f"{_RUNTIME}.session.run_options.RunOptions",
        f"{_RUNTIME}.streaming.region.Region",
        f"{_RUNTIME}.frame_quality.checker.FrameQualityChecker",
        f"{_RUNTIME}.frame_quality.thresholds.FrameQualityThresholds",
        f"{_RUNTIME}.smoothing.smoother.Smoother",
        f"{_RUNTIME}.smoothing.smoother.read_smoothing",
    ),
    "Teach and explain": (
        "edgecnn.teaching.teach.teach",
        "edgecnn.teaching.options.TeachOptions",
        f"{_RUNTIME}.why.explanation.open_explainer",
    ),
    "Train": (
        "edgecnn.training.train",
        "edgecnn.training.TrainOptions",
        "edgecnn.training.TrainResult",
        "edgecnn.training.open_checkpoint",
        "edgecnn.training.models.own.own_spec",
        "edgecnn.training.models.own.own_manifest",
        "edgecnn.manifest.Normalization",
        "edgecnn.progress.Notebook",
    ),
    "Export, quantize, verify, search": (
        "exporters.export_onnx",
        "exporters.ExportOptions",
        "exporters.ExportResult",
        "exporters.adopt",
        "exporters.AdoptOptions",
        "exporters.quantize",
        "exporters.quantize_for",
        "exporters.QuantizeOptions",
        "exporters.QuantizeResult",
        "exporters.verify",
        "exporters.search.search.search",
        "exporters.search.options.SearchOptions",
    ),
}


def api_page() -> str:
    """The whole page."""
    lines = [HEAD]
    for title, names in SECTIONS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += [*_entry(name), ""]
    return "\n".join([*lines, *_errors()]) + "\n"


def _entry(path: str) -> Iterator[str]:
    module, _, name = path.rpartition(".")
    found = find(module, name)
    yield f"### {name}"
    yield ""
    yield f"`from {module} import {name}`"
    yield ""
    if isinstance(found.node, ast.ClassDef):
        yield from _class(found, found.node)
    else:
        yield from _function(name, found.node)


def _errors() -> Iterator[str]:
    text = ast.get_docstring(module_text("edgecnn.errors")) or ""
    yield "## Errors"
    yield ""
    yield "`from edgecnn.errors import …`; `EdgeCNNError` is in `edgecnn` too."
    yield ""
    tree = [line.removeprefix("    ") for line in text.splitlines()[2:]]
    end = tree.index("")
    yield "```text"
    yield from tree[:end]
    yield "```"
    yield ""
    yield as_markdown("\n".join(tree[end + 1 :]))


def _class(found: Found, node: ast.ClassDef) -> Iterator[str]:
    fields = list(fields_of(found))
    methods = [one for owner in method_owners(found) for one in owner.body if isinstance(one, ast.FunctionDef)]
    made = next((one for one in methods if one.name == "__init__"), None)
    if made and not fields:
        yield from _signature(node.name, made)
    yield as_markdown(ast.get_docstring(node) or "")
    if fields:
        yield from ("", "| field | type | |", "| --- | --- | --- |")
        yield from (f"| `{field.name}` | {field.type} | {field.text} |" for field in fields)
    for method in methods:
        if _is_public(method) and ast.get_docstring(method):
            yield ""
            yield from _method(node.name, method)


def _is_public(method: ast.FunctionDef) -> bool:
    return method.name == "__call__" or not (method.name.startswith("_") or method.name in _FOR_ITSELF)


def _method(owner: str, method: ast.FunctionDef) -> Iterator[str]:
    kinds = {ast.unparse(one) for one in method.decorator_list}
    text = as_markdown(ast.get_docstring(method) or "")
    if kinds & {"property", "cached_property", "functools.cached_property"}:
        yield f"**`{owner}.{method.name}`** ({_code(method.returns)}): {text}"
        return
    name = owner.lower() if method.name == "__call__" else f"{owner}.{method.name}"
    yield from _signature(name, method, without_self="staticmethod" not in kinds)
    yield text


def _function(name: str, node: ast.stmt) -> Iterator[str]:
    assert isinstance(node, ast.FunctionDef)
    yield from _signature(name, node, without_self=False)
    yield as_markdown(ast.get_docstring(node) or "")


def _signature(name: str, node: ast.FunctionDef, *, without_self: bool = True) -> Iterator[str]:
    """One line where it is short, else a line for each parameter; as text, since it is no program."""
    parameters = _parameters(node.args)[1 if without_self else 0 :]
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    line = f"{name}({', '.join(parameters)}){returns}"
    yield "```text"
    if len(line) <= 88:
        yield line
    else:
        yield f"{name}("
        yield from (f"    {parameter}," for parameter in parameters)
        yield f"){returns}"
    yield "```"
    yield ""


def _parameters(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    found = [_parameter(one, default) for one, default in zip(plain, defaults, strict=True)]
    if arguments.vararg:
        found.append(f"*{_parameter(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        found.append("*")
    found += [_parameter(one, d) for one, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    if arguments.kwarg:
        found.append(f"**{_parameter(arguments.kwarg, None)}")
    return found


def _parameter(argument: ast.arg, default: ast.expr | None) -> str:
    kind = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    if default is None:
        return f"{argument.arg}{kind}"
    return f"{argument.arg}{kind}{' = ' if kind else '='}{ast.unparse(default)}"


def _code(annotation: ast.expr | None) -> str:
    return f"`{ast.unparse(annotation)}`" if annotation else ""
