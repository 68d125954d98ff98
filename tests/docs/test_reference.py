"""The pages of reference are what scripts/make_reference.py makes of the program, and the site has every page."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, blocks, name

sys.path.append(str(ROOT / "scripts"))

from make_reference import PAGES as MADE
from reference.python_api import SECTIONS


@pytest.mark.parametrize("page", MADE)
def test_a_page_of_reference_is_what_the_program_says(page: str) -> None:
    if page == "licences.md" and sys.version_info[:2] != (3, 11):
        pytest.skip("the page lists what is installed on Python 3.11; others need other packages")
    made = MADE[page]()
    assert (ROOT / "docs" / page).read_text() == made, f"docs/{page} is old: run scripts/make_reference.py"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page.stem != "how-it-learns"], ids=name)
def test_what_a_page_imports_is_in_the_reference(page: Path) -> None:
    listed = {path for paths in SECTIONS.values() for path in paths}
    for block in blocks(page):
        for module, names in re.findall(r"^from ((?:edgecnn|exporters)[\w.]*) import (.+)$", block.text, re.MULTILINE):
            for one in names.split(","):
                assert f"{module}.{one.strip()}" in listed, (
                    f"{name(page)}: {module}.{one.strip()} is not in docs/python.md"
                )


def test_the_reference_has_every_public_name() -> None:
    import edgecnn
    import edgecnn.training
    import exporters

    listed = {path for paths in SECTIONS.values() for path in paths}
    public = {
        f"{package.__name__}.{one}" for package in (edgecnn, edgecnn.training, exporters) for one in package.__all__
    }
    assert public - listed == {"edgecnn.EdgeCNNError", "edgecnn.__version__"}, "the errors have a section of their own"


def test_the_site_has_every_page_in_its_navigation() -> None:
    listed = re.findall(r": ((?:docs/)?[\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*map(name, PAGES), "CHANGELOG.md"])
