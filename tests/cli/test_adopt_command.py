"""`edgecnn adopt` as scripts rely on it: which images of ``--data`` were used."""

from __future__ import annotations

import json
from pathlib import Path

import cv2

from tests.small_foreign import images, save_classifier, write_labels


def test_images_used_and_left_out_are_told(tmp_path: Path, edgecnn) -> None:
    save_classifier(tmp_path / "theirs.onnx", 3)
    labels = write_labels(tmp_path / "labels.txt", 3)
    data = tmp_path / "data"
    data.mkdir()
    for i, image in enumerate(images(9)):
        cv2.imwrite(str(data / f"{i}.png"), image)
    (data / "broken.jpg").write_bytes(b"no image")
    (data / "photo.heic").write_bytes(b"?")
    given = ("--labels", labels, "--mean", 0.5, "--std", 0.5, "--data", data, "--out", tmp_path / "ours.onnx", "--json")
    done = edgecnn("adopt", tmp_path / "theirs.onnx", *given)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["data_images"], result["left_out"]) == (9, {"other_format": 1})
    assert [Path(skipped["path"]).name for skipped in result["skipped"]] == ["broken.jpg"]
    told = " ".join(done.stderr.split())
    assert "9 images used, 2 files left out: 1 that cannot be read; 1 of a format that is not read" in told
