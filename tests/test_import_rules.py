"""Who may import whom, as docs/design.md says, read from the source of every module."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("edgecnn", "exporters")

# package or module -> what it may import beside the standard library and itself
BASE = {"edgecnn.errors"}
ALLOWED = {
    "edgecnn.errors": set(),
    "edgecnn.atomic": BASE,
    "edgecnn.manifest": BASE,
    "edgecnn.held_out": BASE,
    "edgecnn.picture_header": set(),
    "edgecnn.progress": set(),
    "edgecnn.metrics": {"numpy"},
    "edgecnn.rejection": {*BASE, "edgecnn.manifest", "numpy"},
    "edgecnn.area_resize": {"numpy", "cv2"},
    "edgecnn.preprocess": {*BASE, "edgecnn.area_resize", "edgecnn.manifest", "edgecnn.picture_header", "numpy", "cv2"},
    "edgecnn.dataset": {*BASE, "edgecnn.held_out", "edgecnn.manifest", "edgecnn.picture_header", "edgecnn.preprocess"},
    "edgecnn.picture_alignment": {"numpy"},
    "edgecnn.near_duplicates": {"edgecnn.picture_alignment", "edgecnn.preprocess", "numpy", "cv2"},
    "edgecnn.exif": set(),
    "edgecnn.finding": set(),
    "edgecnn.picture_facts": {f"edgecnn.{m}" for m in ("dataset", "errors", "exif", "held_out", "near_duplicates", "picture_header", "preprocess")}
    | {"numpy", "cv2"},
    "edgecnn.shortcuts": {"edgecnn.finding", "edgecnn.picture_facts", "numpy"},
    "edgecnn.data_check": {
        f"edgecnn.{m}" for m in ("dataset", "finding", "near_duplicates", "picture_facts", "picture_header", "preprocess", "errors", "shortcuts")
    }
    | {"numpy"},
    "edgecnn.loading": {*BASE, "edgecnn.manifest", "edgecnn.preprocess", "numpy"},
    "edgecnn.evaluation": {f"edgecnn.{m}" for m in ("dataset", "errors", "held_out", "loading", "manifest", "metrics", "preprocess", "progress")}
    | {"numpy"},
    "edgecnn.parity": {f"edgecnn.{m}" for m in ("dataset", "errors", "evaluation", "held_out", "metrics", "progress")} | {"numpy"},
    "edgecnn.html_page": {"edgecnn.preprocess", "cv2"},
    "edgecnn.parity_report": {f"edgecnn.{m}" for m in ("errors", "html_page", "parity", "preprocess")} | {"cv2"},
}
TORCH_FREE = {"numpy", "cv2", "onnxruntime", "google", "PIL", "typing_extensions"}
ROOT_MODULES = set(ALLOWED) | {"edgecnn"}
PACKAGES = {
    "edgecnn.runtime": ROOT_MODULES | TORCH_FREE,
    "edgecnn.training": ROOT_MODULES | {"numpy", "cv2", "torch", "matplotlib", "tensorboardX", "torchao", "typing_extensions"},
    "edgecnn.demo": ROOT_MODULES | {"edgecnn.runtime", "edgecnn.training", "exporters"},
    "exporters": ROOT_MODULES | {"edgecnn.runtime", "edgecnn.training", "numpy", "cv2", "torch", "onnx", "onnxruntime"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return {name if name.split(".")[0] in OURS else name.split(".")[0] for name in found} - set(sys.stdlib_module_names) - {"__future__"}


def modules() -> list[tuple[str, Path]]:
    paths = [p for package in OURS for p in sorted((ROOT / package).rglob("*.py"))]
    return [(".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), p) for p in paths]


def allowed(module: str) -> set[str] | None:
    if module in ALLOWED:
        return ALLOWED[module]
    return next((rule for package, rule in PACKAGES.items() if module == package or module.startswith(f"{package}.")), None)


@pytest.mark.parametrize(("module", "path"), modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_module_imports_only_what_its_place_permits(module: str, path: Path) -> None:
    rule = allowed(module)
    if module in ("edgecnn", "edgecnn.__main__") or module.startswith("edgecnn.cli"):
        return  # the command line may import anything, lazily: the next test
    assert rule is not None, f"{module}: say in this file what it may import"
    home = next((p for p in PACKAGES if module == p or module.startswith(f"{p}.")), module)
    for name in imports(path):
        fits = any(name == a or (a != "edgecnn" and name.startswith(f"{a}.")) for a in rule) or name == home or name.startswith(f"{home}.")
        assert fits, f"{module} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "edgecnn" / "cli").glob("*.py")), ids=lambda p: p.name)
def test_the_command_line_imports_heavy_things_inside_its_commands_alone(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        names = (
            {alias.name for alias in node.names}
            if isinstance(node, ast.Import)
            else {node.module or ""}
            if isinstance(node, ast.ImportFrom)
            else set()
        )
        for name in names:
            ours = name.split(".")[0] in OURS
            assert not ours or name in ("edgecnn.errors",) or name.startswith("edgecnn.cli"), f"{path.name} imports {name} at its top"
            assert name.split(".")[0] not in ("numpy", "cv2", "torch", "onnx", "onnxruntime", "rich", "matplotlib"), (
                f"{path.name} imports {name} at its top"
            )


def test_lint_bans_what_may_not_be_imported_at_all() -> None:
    banned = (ROOT / "pyproject.toml").read_text()
    for name in ("torchvision", "timm", "PIL"):
        assert f'"{name}".msg' in banned
