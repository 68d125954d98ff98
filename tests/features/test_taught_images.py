"""The record of taught images: small, exact enough to find similar ones, and strict against what was tampered with."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecnn.errors import ManifestError
from edgecnn.features.taught_images import MAX_IMAGES, MAX_THUMBNAIL_BYTES, TaughtImage, TaughtImages

WIDTH = 128


def made(count: int, label: str = "cat", seed: int = 0, size: int = 0) -> tuple[list[TaughtImage], NDArray[np.float64]]:
    """Images whose features lie around a few centres, as those of a network do."""
    random = np.random.default_rng(seed)
    centres = random.random((8, WIDTH)) * 2
    features = centres[random.integers(0, 8, count)] + random.random((count, WIDTH))
    thumbnail = b"\xff\xd8\xff" + bytes(size) + b"\xff\xd9" if size else None
    images = [TaughtImage(label, f"{label}{i}.jpg", f"{seed:08x}{i:08x}", thumbnail) for i in range(count)]
    return images, features


def record_of(*parts: tuple[list[TaughtImage], NDArray[np.float64]]) -> TaughtImages:
    images = [image for part, _ in parts for image in part]
    found = TaughtImages.of(images, np.concatenate([features for _, features in parts]))
    assert found is not None
    return found


def test_similar_images_are_those_of_all_features() -> None:
    images, features = made(300)
    record = TaughtImages.from_json(record_of((images, features)).to_json())
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    agreed = []
    for query in made(40, seed=0)[1] + np.random.default_rng(1).random((40, WIDTH)) * 0.2:
        cosine = unit @ (query / np.linalg.norm(query))
        found = record.nearest(query, 5)
        assert [similar.similarity for similar in found] == sorted((s.similarity for s in found), reverse=True)
        agreed.append(images[int(cosine.argmax())] in [similar.image for similar in found])
        assert found[0].similarity == pytest.approx(cosine.max(), abs=0.03)
    assert np.mean(agreed) > 0.9


def test_few_images_are_kept_exactly() -> None:
    images, features = made(20)
    record = TaughtImages.from_json(record_of((images, features)).to_json())
    assert [record.nearest(row, 1)[0].image for row in features] == images
    assert record.nearest(features[3] * 7, 1)[0].similarity == pytest.approx(1, abs=0.01)  # length does not count


def test_what_is_written_is_read_back() -> None:
    images, features = made(30, "猫")
    images[2] = TaughtImage("dog", "a\nb.jpg", "00112233445566ff", b"\xff\xd8\xff\x00\xff\xd9")
    record = record_of((images, features))
    again = TaughtImages.from_json(record.to_json())
    assert again.images == record.images == tuple(images)
    assert again.to_json() == record.to_json()


def test_a_file_name_that_is_no_utf8_is_kept_readable() -> None:
    image = TaughtImage("cat", os.fsdecode(b"a\xff.png"), "0" * 16)
    found = TaughtImages.of([image], np.ones((1, 4)))
    assert found is not None
    text = found.to_json()
    assert TaughtImages.from_json(text.encode().decode()).images[0].file == r"a\udcff.png"


def test_a_second_teach_is_merged_and_an_image_of_both_counts_once() -> None:
    first, second = made(40, "cat"), made(30, "dog", seed=5)
    again = TaughtImage("dog", "moved.jpg", first[0][0].digest)
    later = record_of(second, ([again], first[1][:1]))
    merged = TaughtImages.from_json(record_of(first).merged(later).to_json())
    assert len(merged.images) == 70
    assert again in merged.images
    assert first[0][0] not in merged.images
    for images, features in (first, second):
        found = [merged.nearest(row, 1)[0].image for row in features[1:]]
        assert np.mean([a == b for a, b in zip(found, images[1:], strict=True)]) > 0.9


def test_it_is_bounded_and_no_class_is_pushed_out() -> None:
    parts = made(3 * MAX_IMAGES, "many", size=400), made(40, "few", seed=2, size=400)
    record = record_of(*parts)
    labels = [image.label for image in record.images]
    assert len(labels) == MAX_IMAGES
    assert labels.count("few") == 40
    kept = [image for image in record.images if image.thumbnail is not None]
    assert sum(len(image.thumbnail or b"") for image in kept) <= MAX_THUMBNAIL_BYTES
    assert sum(image.label == "few" for image in kept) == 40
    assert len(record.to_json()) < 600_000
    assert TaughtImages.from_json(record.to_json()).images == record.images


@pytest.mark.parametrize("width", [20_000, 65_536])
def test_a_record_of_many_features_can_be_read_back(width: int) -> None:
    """Networks that flatten a feature map have so many."""
    images, _ = made(100, size=1200)
    record = TaughtImages.of(images, np.random.default_rng(0).random((100, width), np.float32))
    assert record is not None
    again = TaughtImages.from_json(record.to_json())
    assert (again.width, again.images) == (width, tuple(images))
    assert TaughtImages.of(images[:2], np.ones((2, 65_537))) is None


def test_features_that_are_not_finite_are_not_kept() -> None:
    images, features = made(3)
    features[1, 0] = np.nan
    assert TaughtImages.of(images, features) is None


def changed(**values: Any) -> str:
    found = json.loads(record_of(made(12)).to_json())
    found.update(values)
    return json.dumps(found)


def halves(*values: float) -> str:
    return base64.b64encode(np.array(values, "<f2").tobytes()).decode()


HOSTILE = {
    "no JSON": "{",
    "a list": "[]",
    "a number": "7",
    "deep": "[" * 100_000,
    "empty": "{}",
    "no images": changed(files=[]),
    "a label too few": changed(labels=[]),
    "labels of numbers": changed(labels=[1]),
    "a label that UTF-8 cannot hold": changed(labels=["\ud800"]),
    "a file name that UTF-8 cannot hold": changed(files=["\udcff"] * 12),
    "files of objects": changed(files=[{}] * 12),
    "an endless name": changed(files=["x" * 5000] * 12),
    "no base64": changed(mean="???"),
    "half a number": changed(rest=base64.b64encode(b"abc").decode()),
    "not a number": changed(rest=halves(*[float("nan")] * 12)),
    "infinite": changed(mean=halves(*[float("inf")] * WIDTH)),
    "below nothing": changed(rest=halves(*[-1.0] * 12)),
    "other sizes": changed(mean=halves(0, 0, 0)),
    "no directions": changed(basis="", basis_scales="", places="", place_scales=""),
    "a huge scale": changed(place_scales=base64.b64encode(np.full(12, 1e30, "<f4").tobytes()).decode()),
    "an index too large": changed(label_of=base64.b64encode(np.full(12, 9, "<u2").tobytes()).decode()),
    "hashes too short": changed(sha256=""),
    "a thumbnail of text": changed(thumbnails={"0": base64.b64encode(b"<script>").decode()}),
    "a thumbnail of nobody": changed(thumbnails={"x": ""}),
    "thumbnails of a list": changed(thumbnails=[]),
    "null": changed(basis=None),
    "long": changed(more="x" * 3_000_000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tampered_record_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ManifestError, match="the record of the taught images is invalid") as caught:
        TaughtImages.from_json(HOSTILE[name])
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 400
