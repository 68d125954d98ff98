"""Images are known again by content."""

from __future__ import annotations

import hashlib
import json

import pytest

from edgecnn.data.split_record import SplitRecord, content_digest, data_sha256
from edgecnn.errors import ManifestError

DIGESTS = {split: [content_digest(f"{split} {i}".encode()) for i in range(50)] for split in ("train", "val", "test")}
RECORD = SplitRecord.of(DIGESTS)


def test_the_digest_is_sha_256_in_hexadecimal() -> None:
    assert content_digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_hash_of_a_data_set_does_not_know_order_but_knows_content() -> None:
    digests = DIGESTS["train"]
    assert data_sha256(reversed(digests)) == data_sha256(iter(digests))
    assert (
        len({data_sha256(digests), data_sha256(digests[1:]), data_sha256([*digests, digests[0]]), data_sha256([])}) == 4
    )


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_each_image_is_known_in_its_split(split: str) -> None:
    assert {RECORD.split_of(digest) for digest in DIGESTS[split]} == {split}


def test_an_image_never_seen_is_in_no_split() -> None:
    assert {RECORD.split_of(content_digest(f"new {i}".encode())) for i in range(50)} == {None}


@pytest.mark.parametrize(
    ("splits", "expected"), [(("train", "val"), "val"), (("train", "test"), "test"), (("val", "test"), "test")]
)
def test_an_image_in_two_splits_counts_as_the_stricter(splits: tuple[str, str], expected: str) -> None:
    digest = content_digest(b"twice")
    assert SplitRecord.of({split: [digest] for split in splits}).split_of(digest) == expected


def test_a_record_is_written_and_read_back_equal() -> None:
    assert SplitRecord.from_json(RECORD.to_json()) == RECORD
    empty = SplitRecord.of({})
    assert SplitRecord.from_json(empty.to_json()) == empty


def test_a_record_is_the_same_text_in_whatever_order_the_images_came() -> None:
    assert SplitRecord.of({split: reversed(found) for split, found in DIGESTS.items()}).to_json() == RECORD.to_json()


def test_a_record_costs_four_bytes_an_image_in_base64() -> None:
    many = SplitRecord.of({"train": [hashlib.sha256(str(i).encode()).hexdigest() for i in range(10_000)]})
    assert len(many.to_json()) < 10_000 * 4 * 4 / 3 + 100


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '"text"',
        '{"train": 1}',
        '{"train": null}',
        '{"train": ["AAAAAA=="]}',
        '{"train": "not base64!"}',
        '{"train": "é"}',
        json.dumps({"train": "AAA"}),
        '{"train": "AAAAAAA="}',
        '{"training": "AAAAAA=="}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:24],
)
def test_a_broken_record_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(ManifestError, match="export the model again"):
        SplitRecord.from_json(text)
