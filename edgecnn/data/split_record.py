"""Which images a model was trained on and which were held out, remembered by content in the checkpoint and in the model
file.

By content, because folders move and files are renamed. In the model file each image costs four bytes of its SHA-256
(one in 2^32 other images is mistaken for it), so that evaluating a model on its own training images is noticed on any
machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.errors import ManifestError

__all__ = ["Split", "SplitRecord", "content_digest", "data_sha256"]

Split = Literal["train", "val", "test"]
_BYTES = 4
_HELD_OUT_FIRST: tuple[Split, ...] = ("test", "val", "train")


def content_digest(data: bytes) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def data_sha256(digests: Iterable[str]) -> str:
    """One hash for a whole data set, whatever its order and names."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


@dataclass(frozen=True)
class SplitRecord:
    """The first four bytes of each image's SHA-256, by split."""

    prefixes: Mapping[str, frozenset[bytes]]

    @classmethod
    def of(cls, digests: Mapping[str, Iterable[str]]) -> SplitRecord:
        """From hexadecimal SHA-256 digests by split."""
        return cls(
            {
                split: frozenset(bytes.fromhex(digest)[:_BYTES] for digest in digests.get(split, ()))
                for split in get_args(Split)
            }
        )

    def split_of(self, digest: str) -> Split | None:
        """Where an image was in the run that made the model; None for one that it never saw.

        An image that was held out counts as held out even where it is also among the others.
        """
        prefix = bytes.fromhex(digest)[:_BYTES]
        for split in _HELD_OUT_FIRST:
            if prefix in self.prefixes.get(split, ()):
                return split
        return None

    def to_json(self) -> str:
        """JSON with the prefixes of each split joined in base64."""
        return json.dumps(
            {split: base64.b64encode(b"".join(sorted(found))).decode() for split, found in self.prefixes.items()}
        )

    @classmethod
    def from_json(cls, text: str) -> SplitRecord:
        """Raises :class:`ManifestError` where the text is not what :meth:`to_json` writes."""
        try:
            joined = {split: base64.b64decode(value, validate=True) for split, value in json.loads(text).items()}
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise ManifestError("the record of held-out images is broken; export the model again") from error
        if not joined.keys() <= set(get_args(Split)) or any(len(value) % _BYTES for value in joined.values()):
            raise ManifestError("the record of held-out images is broken; export the model again")
        return cls(
            {split: frozenset(v[i : i + _BYTES] for i in range(0, len(v), _BYTES)) for split, v in joined.items()}
        )
