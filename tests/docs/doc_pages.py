"""The pages that people read, and the commands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def shell_lines(page: Path) -> Iterator[str]:
    """The commands of a page's ``sh`` and ``console`` blocks: continued lines joined, prompts and comments removed."""
    for language, block in _BLOCK.findall(page.read_text()):
        joined = block.replace("\\\n", " ")
        if language == "console":
            yield from (line[2:] for line in joined.splitlines() if line.startswith("$ "))
        elif language in {"sh", "bash"}:
            yield from (line for line in joined.splitlines() if line.strip() and not line.startswith("#"))


def edgecnn_commands(page: Path) -> Iterator[list[str]]:
    """Arguments of each ``edgecnn`` in the commands of a page, those behind pipes, ``&&`` and assignments too."""
    for line in shell_lines(page):
        words = shlex.split(line, comments=True)
        separators = [-1, *(i for i, word in enumerate(words) if word in {"|", "&&", ";", "||"}), len(words)]
        for start, end in pairwise(separators):
            command = words[start + 1 : end]
            while command and "=" in command[0]:
                command = command[1:]
            if command and Path(command[0]).name == "edgecnn":
                yield command[1:]
