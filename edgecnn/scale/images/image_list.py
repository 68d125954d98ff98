"""The list of images of a run: compact, numbered, and told from another list by its SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["ImageList"]

_CHUNK = 65_536  # names that are Python objects at the same time


@dataclass(frozen=True, eq=False)
class ImageList:
    """Names of images, in order, as one Arrow array: a name takes its bytes and eight more."""

    names: Any  # pyarrow.ChunkedArray of large_binary: names of files may be no UTF-8
    sha256: str

    @classmethod
    def of(cls, names: Iterable[str]) -> ImageList:
        """Takes in paths or addresses while they are listed."""
        import pyarrow as pa  # noqa: PLC0415  # of the extra `ray`

        hashed = hashlib.sha256()
        chunks = []
        for chunk in _in_chunks(names):
            encoded = [name.encode(errors="surrogateescape") for name in chunk]
            hashed.update(b"\0" + b"\0".join(encoded))
            chunks.append(pa.array(encoded, pa.large_binary()))
        return cls(pa.chunked_array(chunks, pa.large_binary()), hashed.hexdigest())

    def __len__(self) -> int:
        return len(self.names)

    def below(self, base: str) -> ImageList:
        """The same names, which begin from a folder: in another folder they are another list."""
        both = hashlib.sha256(f"{base}\0{self.sha256}".encode(errors="surrogateescape"))
        return ImageList(self.names, both.hexdigest())

    def part(self, first: int, count: int) -> list[str]:
        """``count`` names from the one with the number ``first`` on; fewer at the end."""
        return [name.decode(errors="surrogateescape") for name in self.names.slice(first, count).to_pylist()]


def _in_chunks(names: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for name in names:
        chunk.append(name)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
