"""The record of training and held-out images, stored by content hash in the checkpoint and in the model file.

Images are identified by content because folders move and files are renamed. The record has the first four bytes of the
SHA-256 of each image (the chance that another image matches is 1 in 2^32), so that every machine can detect an
evaluation on training images.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from edgecnn.errors import ManifestError
from edgecnn.plain_json import UNFIT

__all__ = ["Split", "SplitRecord", "content_digest", "data_sha256"]

Split = Literal["train", "val", "test"]
_BYTES = 4
_HELD_OUT_FIRST: tuple[Split, ...] = ("test", "val", "train")


def content_digest(data: bytes) -> str:
    """Returns the SHA-256 of a file's bytes as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def data_sha256(digests: Iterable[str]) -> str:
    """Returns one hash for a dataset, independent of order and file names."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


@dataclass(frozen=True)
class SplitRecord:
    """The first four bytes of each image's SHA-256, by split."""

    prefixes: Mapping[str, frozenset[bytes]]

    @classmethod
    def of(cls, digests: Mapping[Split, Iterable[str]]) -> SplitRecord:
        """Creates a record from hexadecimal SHA-256 digests by split."""
        return cls(
            {
                split: frozenset(bytes.fromhex(digest)[:_BYTES] for digest in digests.get(split, ()))
                for split in get_args(Split)
            }
        )

    def split_of(self, digest: str) -> Split | None:
        """Returns the split of an image in the training run; None if the run did not have the image.

        An image in several splits counts as held out.
        """
        prefix = bytes.fromhex(digest)[:_BYTES]
        for split in _HELD_OUT_FIRST:
            if prefix in self.prefixes.get(split, ()):
                return split
        return None

    def trained_also_on(self, other: SplitRecord) -> SplitRecord:
        """This record, with what another model was trained on counted as trained on: the weights begun with."""
        train = self.prefixes.get("train", frozenset()) | other.prefixes.get("train", frozenset())
        held_out = frozenset().union(*(self.prefixes.get(split, frozenset()) for split in ("val", "test")))
        return SplitRecord({**self.prefixes, "train": train - held_out})

    def with_trained(self, digests: Iterable[str]) -> SplitRecord:
        """This record after a training on further images, which are held out no longer."""
        taught = frozenset(bytes.fromhex(digest)[:_BYTES] for digest in digests)
        held_out = {split: self.prefixes.get(split, frozenset()) - taught for split in ("val", "test")}
        return SplitRecord({"train": self.prefixes.get("train", frozenset()) | taught, **held_out})

    def to_json(self) -> str:
        """Returns JSON with the hash prefixes of each split as base64."""
        return json.dumps(
            {split: base64.b64encode(b"".join(sorted(found))).decode() for split, found in self.prefixes.items()}
        )

    @classmethod
    def from_json(cls, text: str) -> SplitRecord:
        """Reads the output of :meth:`to_json`. Raises :class:`ManifestError` for any other text."""
        try:
            joined = {split: base64.b64decode(value, validate=True) for split, value in json.loads(text).items()}
        except UNFIT as error:
            raise ManifestError("the record of held-out images is invalid; export the model again") from error
        if not joined.keys() <= set(get_args(Split)) or any(len(value) % _BYTES for value in joined.values()):
            raise ManifestError("the record of held-out images is invalid; export the model again")
        return cls(
            {split: frozenset(v[i : i + _BYTES] for i in range(0, len(v), _BYTES)) for split, v in joined.items()}
        )
