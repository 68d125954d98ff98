"""Links in the README and in docs/ lead somewhere, and docs/index.md lists every page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, name

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_SOURCE = re.compile(r'(?:src|href)="([^"]+)"')


def prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = prose(page)
    for link in [*_LINK.findall(text), *_SOURCE.findall(text)]:
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)}: {link}: no such file"
        assert ROOT in target.parents, f"{name(page)}: {link} leaves the repository"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}: no such heading"


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(index))}
    missing = [name(page) for page in PAGES if page != index and page.resolve() not in listed]
    assert not missing, f"docs/index.md does not list {', '.join(missing)}"


def test_every_image_of_the_docs_is_shown_and_small() -> None:
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in [*_LINK.findall(prose(page)), *_SOURCE.findall(prose(page))]
        if not link.startswith("http")
    }
    for image in (ROOT / "docs" / "images").iterdir():
        assert image.resolve() in shown, f"{name(image)} is on no page"
        assert image.stat().st_size < (100_000 if image.suffix == ".svg" else 250_000), name(image)


def test_the_code_map_lists_every_package() -> None:
    page = (ROOT / "docs" / "code-map.md").read_text()
    listed = set(re.findall(r"^\| `([\w/]+)` \|", page, re.MULTILINE))
    assert all((ROOT / folder).is_dir() for folder in listed), listed
    packages = {
        name(init.parent) for package in ("edgecnn", "exporters") for init in (ROOT / package).rglob("__init__.py")
    }
    assert packages - listed == {"edgecnn/cli/commands"}


_TEST = re.compile(r"`(test_\w+)`")


@pytest.mark.parametrize("page", ["promises", "reliability"])
def test_the_tests_that_hold_the_promises_exist(page: str) -> None:
    named = set(_TEST.findall((ROOT / "docs" / f"{page}.md").read_text()))
    defined = {
        found
        for file in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(r"def (test_\w+)", file.read_text())
    }
    assert len(named) > 20
    assert named <= defined, named - defined


def test_every_fault_has_a_test() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    heads = [line for line in rows if "proved by" in line or line.startswith("| fault |")]
    without = [line for line in rows if line not in heads and not _TEST.search(line.rsplit(" | ", 1)[1])]
    assert len(heads) == 2
    assert len(rows) >= 40
    assert not without
