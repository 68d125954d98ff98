"""Which images were taken in one session, so that a split keeps them together.

Frames of one session show one place, one light and often one object. Where some are trained on and others evaluate the
model, the figure says how well it knows that session, not how well it does in a new one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from edgecnn.data.image_folder import ImageFile
from edgecnn.errors import DataError, InputNotFoundError, UsageError

__all__ = ["SESSION_PREFIX", "join_groups", "session_keys"]

SESSION_PREFIX = "session-"
"""How the folders begin that ``edgecnn capture`` makes, one a run of it."""


def session_keys(images: Sequence[ImageFile], root: Path, rule: str = "auto") -> list[str | None]:
    """The session of each image; None for one that stands alone.

    Args:
        images: of a folder.
        root: that folder.
        rule: ``auto``: folders that `edgecnn capture` made; ``folder``: every folder in a class folder; ``none``;
            ``FILE.csv:COLUMN``: that column of a table with the paths below ``root`` in its column ``path``; or a
            regular expression whose first group, found in the path below ``root``, is the session.

    Raises:
        UsageError: a rule that cannot be used, or fits no image.
        InputNotFoundError, DataError: a table that cannot be used.
    """
    if rule == "none":
        return [None] * len(images)
    if rule == "auto":
        # Two classes filled in one session have a folder of one name
        return [next((p for p in i.below.split("/") if p.startswith(SESSION_PREFIX)), None) for i in images]
    if rule == "folder":
        keys = [f"{image.class_name}/{image.below}" if image.below else None for image in images]
        return _require(keys, "--group folder: no image lies in a folder inside its class folder")
    table, _, column = rule.rpartition(":")
    if table.lower().endswith(".csv"):
        return _by_table(images, root, Path(table), column)
    return _by_pattern(images, root, rule)


def join_groups(groups: Sequence[int], keys: Sequence[str | None]) -> list[int]:
    """Groups of copies, joined where their images are of one session: a group is named by its first image."""
    parent = list(range(len(groups)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    for i, (group, key) in enumerate(zip(groups, keys, strict=True)):
        for j in (group, i if key is None else first.setdefault(key, i)):
            one, other = sorted((find(i), find(j)))
            parent[other] = one
    return [find(i) for i in range(len(groups))]


def _by_pattern(images: Sequence[ImageFile], root: Path, rule: str) -> list[str | None]:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise UsageError(f"--group {rule}: not a regular expression: {error}; correct it") from error
    if not pattern.groups:
        raise UsageError(
            f"--group {rule}: expected auto, folder, none, FILE.csv:COLUMN, or a regular expression with a group in "
            "parentheses that is the session, like '(.*)_'"
        )
    found = [pattern.search(_below(image, root)) for image in images]
    return _require([match[1] if match else None for match in found], f"--group {rule}: fits the path of no image")


def _by_table(images: Sequence[ImageFile], root: Path, table: Path, column: str) -> list[str | None]:
    if not table.is_file():
        raise InputNotFoundError(f"--group {table}:{column}: no such table; check the path")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"path", column} - set(rows.fieldnames or ())
            sessions = {} if missing else {(row["path"] or "").replace("\\", "/"): row[column] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read as CSV: {error}; save it as CSV in UTF-8") from error
    if missing:
        raise DataError(f"{table}: has no column '{min(missing)}'; expected path and {column}")
    keys = [sessions.get(_below(image, root)) or None for image in images]
    return _require(keys, f"--group {table}:{column}: no path in it is that of an image below {root}")


def _below(image: ImageFile, root: Path) -> str:
    return image.path.relative_to(root).as_posix()


def _require(keys: list[str | None], message: str) -> list[str | None]:
    if not any(keys):
        raise UsageError(f"{message}; correct it, or leave --group out")
    return keys
