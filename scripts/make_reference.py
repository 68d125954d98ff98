"""Writes the pages of docs/ that are made from the program: its commands, its Python API, the manifest, and
the licences of what it requires.

.venv/bin/python scripts/make_reference.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reference.commands import commands_page
from reference.licences import licences_page
from reference.manifest_keys import manifest_page
from reference.python_api import api_page

DOCS = Path(__file__).parents[1] / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "python.md": api_page,
    "manifest.md": manifest_page,
    "licences.md": licences_page,
}


def main() -> None:
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
