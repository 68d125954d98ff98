"""The pages that people read, and the blocks of commands and programs in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r" *```(\w*)$")
_ITEM = re.compile(r" *(?:[-*]|\d+\.) ")


@dataclass(frozen=True)
class Block:
    """A block of a page: what its fence says it is (nothing where it is only indented), and its lines."""

    language: str
    text: str

    @property
    def is_shell(self) -> bool:
        """Whether somebody may type it into a terminal."""
        return self.language in {"sh", "bash", "console", ""}

    def commands(self) -> Iterator[str]:
        """Its command lines: continued lines joined, prompts and comments removed."""
        joined = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            yield from (line[2:] for line in joined if line.startswith("$ "))
        else:
            yield from (line for line in joined if line.strip() and not line.startswith("#"))


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The blocks of commands and programs of a page, in order: shell, Python, and what is indented by four spaces."""
    found = []
    lines = page.read_text().splitlines()
    in_list = False
    i = 0
    while i < len(lines):
        if fence := _FENCE.match(lines[i]):
            end = next(j for j in range(i + 1, len(lines)) if lines[j].strip() == "```")
            found.append(Block(fence[1] or "text", textwrap.dedent("\n".join(lines[i + 1 : end]))))
            i = end
        elif lines[i].startswith("    ") and not in_list and not lines[i - 1].strip():
            end = next((j for j in range(i, len(lines)) if not lines[j].startswith("    ")), len(lines))
            found.append(Block("", textwrap.dedent("\n".join(lines[i:end]))))
            i = end - 1
        elif lines[i].strip():
            in_list = bool(_ITEM.match(lines[i])) or (in_list and lines[i].startswith(" "))
        i += 1
    return tuple(one for one in found if one.is_shell or one.language == "python")


def edgecnn_commands(page: Path) -> Iterator[list[str]]:
    """Arguments of each ``edgecnn`` in the commands of a page, those behind pipes, ``&&`` and assignments too."""
    for block in blocks(page):
        if block.is_shell:
            for line in block.commands():
                yield from edgecnn_arguments(line)


def edgecnn_arguments(line: str) -> Iterator[list[str]]:
    """The same of one command line."""
    words = shlex.split(line, comments=True)
    separators = [-1, *(i for i, word in enumerate(words) if word in {"|", "&&", ";", "||"}), len(words)]
    for start, end in pairwise(separators):
        command = words[start + 1 : end]
        while command and "=" in command[0]:
            command = command[1:]
        if command and Path(command[0]).name == "edgecnn":
            yield command[1:]
