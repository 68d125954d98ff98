"""Who may import whom, as docs/design.md says, read from the source of every module.

And how large a folder may grow.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("edgecnn", "exporters")
NUMERIC = {"numpy", "cv2"}
BASE = {
    "edgecnn.errors",
    "edgecnn.command_options",
    "edgecnn.error_text",
    "edgecnn.atomic",
    "edgecnn.folder_lock",
    "edgecnn.image_size",
    "edgecnn.manifest",
    "edgecnn.plain_json",
    "edgecnn.preprocess",
    "edgecnn.progress",
    "edgecnn._lazy",
    "edgecnn._version",
}
HEADS = {
    *BASE,
    "edgecnn.image",
    "edgecnn.video",
    "edgecnn.data",
    "edgecnn.data_quality",
    "edgecnn.evaluation",
    "edgecnn.features",
    *NUMERIC,
}

SERVE_EXTRA = {
    "anyio",
    "cryptography",
    "cyclonedx",
    "h11",
    "model_signing",
    "packageurl",
    "packaging",
    "paho",
    "prometheus_client",
    "pydantic",
    "pydantic_settings",
    "starlette",
    "tomli",
    "tomlkit",
    "typing_extensions",
    "uvicorn",
}

# What a package may import beside the standard library and itself. The longest name that fits a module holds.
ALLOWED: dict[str, set[str]] = {
    "edgecnn.errors": set(),
    "edgecnn.command_options": set(),
    "edgecnn.error_text": set(),
    "edgecnn.progress": {"edgecnn.errors", "IPython"},
    "edgecnn._lazy": {"edgecnn.errors"},
    "edgecnn._version": set(),
    "edgecnn.atomic": {"edgecnn.errors"},
    "edgecnn.folder_lock": {"edgecnn.errors"},
    "edgecnn.image_size": {"edgecnn.errors", "edgecnn.command_options"},
    "edgecnn.manifest": {"edgecnn.errors", "edgecnn.error_text", "edgecnn.plain_json"},
    "edgecnn.plain_json": set(),
    "edgecnn.metrics": {"edgecnn.evaluation"},
    "edgecnn.image": {"edgecnn.errors", *NUMERIC},
    "edgecnn.preprocess": {"edgecnn.errors", "edgecnn.manifest", "edgecnn.image", *NUMERIC},
    "edgecnn.video": {*BASE, "edgecnn.image", "av", *NUMERIC},
    "edgecnn.data": {*BASE, "edgecnn.image", "edgecnn.video", *NUMERIC},
    "edgecnn.data_quality": {*BASE, "edgecnn.image", "edgecnn.data", *NUMERIC},
    "edgecnn.features": {"edgecnn.error_text", "edgecnn.errors", "edgecnn.plain_json", "numpy"},
    "edgecnn.evaluation": {*BASE, "edgecnn.image", "edgecnn.data", "edgecnn.features", *NUMERIC},
    "edgecnn.runtime": {*HEADS, "onnxruntime", "av", "google", "huggingface_hub", "PIL", "typing_extensions"},
    "edgecnn.teaching": {*HEADS, "edgecnn.runtime", "onnxruntime"},
    "edgecnn.scale": {*HEADS, "edgecnn.runtime", "fsspec", "pyarrow", "ray"},
    "edgecnn.serving": {*HEADS, "edgecnn.runtime", "edgecnn.teaching", *SERVE_EXTRA},
    "edgecnn.training": {
        *HEADS,
        "torch",
        "matplotlib",
        "onnx",
        "onnxruntime",
        "tensorboardX",
        "torchao",
        "typing_extensions",
    },
    "edgecnn.demo": {*HEADS, "edgecnn.runtime", "edgecnn.training", "exporters"},
    "exporters": {*HEADS, "edgecnn.runtime", "edgecnn.training", "torch", "onnx", "onnxruntime"},
    "exporters.search": {
        *HEADS,
        "edgecnn.runtime",
        "edgecnn.teaching",
        "edgecnn.training",
        "exporters",
        "matplotlib",
        "onnx",
        "torch",
    },
}
FREE = ("edgecnn", "edgecnn.__main__")  # and the command line, which imports anything, inside its commands
DECLARATIONS = {  # of options; light
    "edgecnn.command_options",
    "edgecnn.image_size",
    "edgecnn.teaching.options",
    "edgecnn.training.options",
    "exporters.options",
    "exporters.search.options",
}
LIGHT = {"edgecnn.errors", "edgecnn.error_text", "edgecnn.plain_json", "edgecnn.progress"}
HEAVY = {"numpy", "cv2", "torch", "onnx", "onnxruntime", "rich", "matplotlib"}
MAX_FILES = 15
LISTS = {
    "edgecnn/cli/commands",
    "edgecnn/training/models",
    "edgecnn/runtime/sources/drivers",
}  # one file a command, a network, a driver


def modules() -> dict[str, Path]:
    paths = [p for package in OURS for p in sorted((ROOT / package).rglob("*.py"))]
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Everything that a file imports, under ``TYPE_CHECKING`` and inside functions too.

    A module of ours by its own name.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in names}
    return (
        {name if name.split(".")[0] in OURS else name.split(".")[0] for name in found}
        - set(sys.stdlib_module_names)
        - {"__future__"}
    )


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_a_module_imports_only_what_its_place_permits() -> None:
    known = modules()
    broken = []
    for module, path in known.items():
        if module in FREE or within(module, {"edgecnn.cli"}):
            continue
        home = max((p for p in ALLOWED if within(module, {p})), key=len, default=None)
        assert home is not None, f"{module}: say in this file what it may import"
        broken += [
            f"{module} imports {name}" for name in imports(path, known) if not within(name, {*ALLOWED[home], home})
        ]
    assert not broken


def test_the_command_line_imports_heavy_things_inside_its_commands_alone() -> None:
    broken = []
    for path in sorted((ROOT / "edgecnn" / "cli").rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {node.module or ""}
            else:
                continue
            light = {"edgecnn.cli", "edgecnn._version", *LIGHT, *DECLARATIONS}
            ours = {n for n in names if n.split(".")[0] in OURS and not within(n, light)}
            broken += [
                f"{path.name} imports {n} at its top" for n in ours | {n for n in names if n.split(".")[0] in HEAVY}
            ]
    assert not broken


def test_no_circle_of_imports() -> None:
    """Imports under ``TYPE_CHECKING`` and inside functions count.

    Whoever reads a module must be able to stop somewhere.
    """
    known = modules()
    graph = {module: imports(path, known) & known.keys() for module, path in known.items()}
    for module, path in known.items():
        if path.name == "__init__.py":  # what a package offers by name, it imports when that is asked for
            graph[module] = {name for name in graph[module] if not name.startswith(f"{module}.")}
    while leaves := {module for module, needs in graph.items() if not needs}:
        graph = {module: needs - leaves for module, needs in graph.items() if module not in leaves}
    assert not graph


def test_a_lazy_package_offers_the_names_that_it_lists() -> None:
    lazy = [path for path in modules().values() if path.name == "__init__.py" and "lazy_names(" in path.read_text()]
    assert len(lazy) >= 10
    for path in lazy:
        package = import_module(".".join(path.parent.relative_to(ROOT).parts))
        assert set(package._MODULES) == set(package.__all__) - {"__version__"} == set(dir(package)) - {"__version__"}
        if path.parent.name not in ("training", "exporters") or find_spec("torch"):
            for name in package._MODULES:
                assert getattr(package, name) is not None


def test_no_folder_holds_more_files_than_a_reader_can_look_over() -> None:
    sizes = {str(p.parent.relative_to(ROOT)): len(list(p.parent.glob("*.py"))) for p in modules().values()}
    assert {folder: size for folder, size in sizes.items() if size > MAX_FILES and folder not in LISTS} == {}


def test_every_test_file_has_a_name_of_its_own() -> None:
    """pytest collects a second file of the same name only where the first one is left out of the run."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]


def test_lint_bans_what_may_not_be_imported_at_all() -> None:
    banned = (ROOT / "pyproject.toml").read_text()
    for name in ("torchvision", "timm", "PIL"):
        assert f'"{name}".msg' in banned
