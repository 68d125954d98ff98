"""Which images a run answers: addresses, lists, and what tells one list from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.errors import DataError, InputNotFoundError, UsageError
from edgecnn.scale.images.addresses import is_stored, parse_stored, place_of
from edgecnn.scale.images.image_list import ImageList
from edgecnn.scale.images.listing import list_sources
from edgecnn.scale.images.storage import Storage
from edgecnn.scale.job import default_shard_size


@pytest.mark.parametrize(
    ("text", "place", "key", "opening"),
    [
        ("s3://bucket/a/b.jpg", "s3://bucket", "a/b.jpg", "s3://bucket"),
        ("s3://me:secret@bucket/a%20b.jpg", "s3://bucket", "a%20b.jpg", "s3://me:secret@bucket"),
        ("s3://b/x?region=eu&scheme=http", "s3://b", "x", "s3://b?region=eu&scheme=http"),
        ("s3://b/x?.jpg", "s3://b", "x?.jpg", "s3://b"),
        ("gs://bucket", "gs://bucket", "", "gs://bucket"),
        ("abfs://box@account/x", "abfs://box@account", "x", "abfs://box@account"),
    ],
)
def test_an_address_is_taken_apart_and_its_login_stays_out_of_names(
    text: str, place: str, key: str, opening: str
) -> None:
    found = parse_stored(text)
    assert (found.place, found.key, found.opening) == (place, key, opening)
    assert "secret" not in found.name
    assert "secret" not in repr(found)
    assert place_of(found.name) == place


def test_stores_are_told_from_cameras_and_paths() -> None:
    assert all(map(is_stored, ("s3://b", "hf://datasets/x", "https://host/a.jpg", "memory://a")))
    assert not any(map(is_stored, ("rtsp://host/a", "a.jpg", "fake:", "C:\\a.jpg", "-")))


def test_folders_lists_and_patterns_are_listed_as_predict_lists_them(shapes: Path, tmp_path: Path) -> None:
    images = sorted(map(str, shapes.rglob("*.png")))
    (tmp_path / "list.txt").write_text("\n".join(["", *images[:3], " ", images[3]]) + "\n")
    found = list_sources([str(shapes), f"{shapes}/*/*.png", str(tmp_path / "list.txt")])
    assert found.images.part(0, 1000) == [*images, *images, *images[:4]]
    assert found.local == images[0]


def test_a_name_that_is_no_utf_8_is_read(shapes: Path, tmp_path: Path) -> None:
    image = next(shapes.rglob("*.png"))
    strange = tmp_path / "caf\udce9.png"
    strange.write_bytes(image.read_bytes())
    found = list_sources([str(tmp_path)])
    assert found.images.part(0, 1) == [str(strange)]
    assert found.storage.read(str(strange)) == image.read_bytes()


def test_the_same_names_elsewhere_are_another_list(shapes: Path, tmp_path: Path, monkeypatch) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder / "in").mkdir(parents=True)
        (tmp_path / folder / "in" / "1.png").write_bytes(b"")
    hashes = []
    for folder in ("a", "b"):
        monkeypatch.chdir(tmp_path / folder)
        hashes.append(list_sources(["in"]).images.sha256)
    assert hashes[0] != hashes[1]
    assert list_sources([str(shapes)]).images.sha256 == list_sources([str(shapes)]).images.sha256


def test_a_name_costs_its_bytes_and_eight_more() -> None:
    images = ImageList.of(f"s3://bucket/folder/{number:09}.jpg" for number in range(200_000))
    assert images.names.nbytes / len(images) < 32 + 9
    assert images.part(131_070, 3) == [f"s3://bucket/folder/{number:09}.jpg" for number in (131_070, 131_071, 131_072)]


@pytest.mark.parametrize(("images", "size"), [(1, 16), (1024, 16), (6400, 100), (20_000, 313), (10**6, 1000)])
def test_shards_are_cut_by_the_number_of_images_alone(images: int, size: int) -> None:
    assert default_shard_size(images) == size


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ("fake:", UsageError, "is a fake"),
        ("nowhere", InputNotFoundError, "no such image, folder or pattern"),
        ("strange://x/y", Exception, "strange://x: cannot be opened"),
        ("empty.txt", DataError, "the list has no path"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(source: str, error: type[Exception], told: str, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty.txt").write_text("\n")
    with pytest.raises(error, match=told):
        list_sources([source])


def test_bytes_are_read_from_any_store_that_fsspec_knows() -> None:
    import fsspec

    with fsspec.open("memory://box/deep/1.bin", "wb") as file:
        file.write(b"content")
    assert Storage("/").read("memory://box/deep/1.bin") == b"content"
    with pytest.raises(InputNotFoundError, match="memory://box/none: no such file"):
        Storage("/").read("memory://box/none")
