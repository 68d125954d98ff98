"""``predict`` and ``val --engine ray`` on a bucket of an S3 server that runs here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edgecnn.errors import DataError, InputNotFoundError
from edgecnn.evaluation.evaluate import validate
from edgecnn.runtime.session.opening import open_session
from edgecnn.scale.images.listing import list_sources


@pytest.fixture(scope="module")
def filled(bucket, shapes: Path):
    for path in sorted(shapes.rglob("*.png")):
        bucket.put(f"data/{path.relative_to(shapes)}", path.read_bytes())
    bucket.put("data/.hidden/1.png", b"")
    bucket.put("data/circle/notes.md", b"")
    return bucket


def names(filled, key: str) -> list[str]:
    return list_sources([filled.address(key)]).images.part(0, 1000)


def test_folders_patterns_lists_and_single_images_of_a_bucket_are_listed(filled, shapes: Path) -> None:
    images = [f"s3://images/data/{path.relative_to(shapes)}" for path in sorted(shapes.rglob("*.png"))]
    assert names(filled, "data") == names(filled, "data/") == names(filled, "data/*/*.png") == images
    assert names(filled, "**/circle/*.png") == images[:20]
    one = images[3].removeprefix("s3://images/")
    assert names(filled, one) == [images[3]]
    filled.put("lists/two.txt", "\n".join([images[5], images[2]]).encode())
    assert names(filled, "lists/two.txt") == [images[5], images[2]]
    assert list_sources([filled.address("data")]).storage.read(images[0]) == next(
        path.read_bytes() for path in sorted(shapes.rglob("*.png"))
    )


def test_a_bucket_or_folder_that_is_not_there_is_named_without_the_login(filled) -> None:
    for address in (filled.address("data", name="no-such-bucket"), filled.address("nothing")):
        with pytest.raises(InputNotFoundError, match=r"^s3://\S+: no such bucket, folder or image") as caught:
            list_sources([address])
        assert "secret-word" not in str(caught.value)
    with pytest.raises(DataError, match="contains no images"):
        list_sources([filled.address("lists")])


def test_a_bucket_is_answered_and_an_object_that_is_no_image_is_a_row(
    filled, cluster, answer: Callable[..., int], tmp_path: Path
) -> None:
    from pyarrow import parquet

    filled.put("broken/1.png", b"no image")
    listed = "\n".join(["s3://images/broken/1.png", "s3://images/gone.png", *names(filled, "data/square")])
    filled.put("lists/some.txt", listed.encode())
    assert answer(filled.address("lists/some.txt"), address=cluster.address) == 0
    found = parquet.read_table(tmp_path / "out" / "predictions").to_pylist()
    assert [row["source"] for row in found] == listed.splitlines()
    assert [row["status"] for row in found[:2]] == ["error", "error"]
    assert found[1]["reason"].startswith("no such file")
    assert all(row["status"] in ("ok", "unknown") for row in found[2:])
    assert not [
        path for path in (tmp_path / "out").rglob("*") if path.is_file() and b"secret-word" in path.read_bytes()
    ]


def test_an_evaluation_of_a_bucket_is_that_of_the_folder(
    filled, cluster, edgecnn, tiny_model: Path, shapes: Path, tmp_path: Path
) -> None:
    done = edgecnn(
        *("val", tiny_model, "--data", filled.address("data"), "--engine", "ray", "--address", cluster.address),
        *("--out", tmp_path / "out", "--ep", "cpu", "--json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = validate(open_session(tiny_model, "cpu"), None, shapes, "all")
    assert found["images"] == expected.images == 40
    assert found["confusion"] == [list(row) for row in expected.confusion]
    assert found["nll"] == pytest.approx(expected.nll, abs=1e-6)
    assert found["ece"] == pytest.approx(expected.ece, abs=1e-6)
