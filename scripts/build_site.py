"""Builds the documentation site with Zensical, strictly, in a temporary folder, and checks its links.

.venv/bin/python scripts/build_site.py           # builds and checks
.venv/bin/python scripts/build_site.py FOLDER    # and leaves the site there
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from site_links import faults

ROOT = Path(__file__).parents[1]
SOURCES = ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs", "examples")
NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__", "classify")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, help="folder to leave the site in; it must not exist")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        site = build(Path(folder))
        found = faults(site)
        for fault in found:
            print(fault)
        if found:
            sys.exit(f"{len(found)} faults in the documentation site")
        pages = len(list(site.rglob("*.html")))
        print(f"documentation site: {pages} pages, no broken link")
        if out:
            shutil.copytree(site, out)


def build(folder: Path) -> Path:
    """The built site. Zensical writes it below its sources, so these are copied first."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=NOT_COPIED)
        else:
            shutil.copy(ROOT / name, folder / name)
    zensical = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(
        zensical, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"zensical found faults in the documentation:\n{done.stdout}{done.stderr}")
    return folder / "site"


if __name__ == "__main__":
    main()
