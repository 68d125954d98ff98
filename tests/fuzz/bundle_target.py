"""``bundle.json`` of a bundle that anybody may have written: what is read of it, and what is said of its folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from fuzz.promises import Look, Outcome, require, require_line

from edgecnn.serving.bundle import verify
from edgecnn.serving.bundle.folder import FolderContent
from edgecnn.serving.bundle.index import INDEX, BundleIndex

LONGEST = 4096
_KEYS = ("created_at", "edgecnn", "target", "python", "version", "support_until", "files", "format")
WORDS = (
    *(f'"{key}": '.encode() for key in _KEYS), b'"' + b"ab" * 32 + b'"', b'"../a"', b'"/a"', b'"a/b"', b'"C:a"',
    b'"model.sig"', b'"bundle.json"', b"9007199254740991", b"9" * 400, b'"2030-01-01"', b'"2030-W01-1"', b"null",
    b"true", b"1e999", b"NaN", b"\\ud800", b"\\n", b"\\u001b", b"\\u0000", b"[[[[[[[[", b"]]]]]]]]",
)  # fmt: skip
_EMPTY = FolderContent(frozenset(("added\n",)), frozenset(("folder\n",)), ())


@contextmanager
def opened() -> Iterator[Look]:
    with TemporaryDirectory() as name:
        yield partial(_look, Path(name))


def _look(folder: Path, data: bytes) -> Outcome:
    (folder / INDEX).write_bytes(data)
    read = verify._index(folder, FolderContent(frozenset((INDEX,)), frozenset(), ()))
    if isinstance(read, verify.Finding):
        require_line(read.what)
        require_line(read.remedy)
        return "refused"
    index, _ = read
    require(BundleIndex.from_json(index.to_json().encode()) == index, "it does not come back equal")
    for name in index.files:
        require(not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts, f"leaves: {name!r}")
        windows = PureWindowsPath(name)
        require(not (windows.drive or windows.root or ".." in windows.parts), f"leaves, on Windows: {name!r}")
    for finding in verify._presentable(tuple(verify._differences(folder, _EMPTY, index))):
        require_line(f"{finding.what}: {finding.where[:500]}")
    return "accepted"
