"""`edgecnn tune` as scripts rely on it: the file, the keys, the exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from shapes import shape_image

from edgecnn import Classifier
from edgecnn.runtime.smoothing.smoother import read_smoothing

FPS = 10
BUDGET = ("--fps", FPS, "--budget", 5, "--threshold", 0)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory, tiny_int8_model: Path) -> Path:
    """Frames of circles, of which each tenth shows a square."""
    root = tmp_path_factory.mktemp("clips")
    classifier = Classifier(tiny_int8_model, ep="cpu", threads=1, threshold=0.0)

    def surest(name: str) -> np.ndarray:
        return max(
            (shape_image(name, seed) for seed in range(7000, 7030)),
            key=lambda p: {s.label: s.score for s in classifier(p).top}[name],
        )

    circle, square = surest("circle"), surest("square")
    for number in range(2):
        folder = root / "circle" / str(number)
        folder.mkdir(parents=True)
        for index in range(60):
            cv2.imwrite(str(folder / f"{index:03d}.png"), square if index % 10 == 7 else circle)
    return root


def test_tune_writes_settings_that_can_be_read_and_reports_both_halves(
    clips: Path, tiny_int8_model: Path, tmp_path: Path, edgecnn
) -> None:
    out = tmp_path / "smoothing.json"
    done = edgecnn(
        "tune",
        tiny_int8_model,
        clips,
        *BUDGET,
        "--ep",
        "cpu",
        "--out",
        out,
        "--json",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["clips"], result["frames"], result["out"]) == (2, 120, str(out))
    assert (
        result["options"].items()
        == {k: v for k, v in json.loads(out.read_text()).items() if k != "schema_version"}.items()
    )
    assert read_smoothing(out).longest_delay_s > 0
    assert result["raw_checked"]["false_alarms"] == 6
    assert (result["checked"]["false_alarms"], result["passed"], result["proven"]) == (0, True, False)
    assert "the budget is not proven: 0 in 0.00167 h may be up to" in done.stderr
    assert "to prove 5 an hour takes 0.738 h without a false alarm" in done.stderr


def test_tune_says_what_it_found_in_tables(clips: Path, tiny_int8_model: Path, tmp_path: Path, edgecnn) -> None:
    done = edgecnn("tune", tiny_int8_model, clips, *BUDGET, "--out", tmp_path / "s.json")
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("checked: raw", "5 false alarms an hour", "95 %"))


def test_a_budget_that_the_checked_half_breaks_is_exit_status_3(
    clips: Path, tiny_int8_model: Path, tmp_path: Path, edgecnn
) -> None:
    out = tmp_path / "s.json"
    done = edgecnn(
        "tune",
        tiny_int8_model,
        clips,
        *BUDGET,
        "--max-delay",
        0,
        "--out",
        out,
        "--background",
        "circle",
        "--json",
    )
    assert done.returncode == 3
    assert json.loads(done.stdout)["checked"]["false_alarms"] == 6  # no setting without a delay can help
    assert "gate failed: 3600 false alarms an hour on the checked half, the budget is 5" in done.stderr
    assert "no settings keep the budget on the fitted half" in done.stderr
    assert out.is_file()


def test_clips_that_cannot_be_used_are_one_line_and_exit_status_2(
    clips: Path, tiny_int8_model: Path, tmp_path: Path, edgecnn
) -> None:
    for arguments, why in (
        ([clips, "--budget", 5], "--fps"),
        ([tmp_path / "nowhere", "--budget", 5], "no such folder or table of clips"),
        ([clips, "--budget", 5, "--fps", FPS, "--background", "empty"], "no such label"),
        ([clips, "--budget", -1, "--fps", FPS], "the budget is -1"),
    ):
        done = edgecnn("tune", tiny_int8_model, *arguments, "--out", tmp_path / "s.json")
        assert done.returncode == 2, done.stderr
        assert why in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.json").exists()


def test_files_that_belong_to_no_clip_are_named(tiny_int8_model: Path, tmp_path: Path, edgecnn) -> None:
    for number in range(2):
        folder = tmp_path / "clips" / "circle" / str(number)
        folder.mkdir(parents=True)
        for index in range(12):
            cv2.imwrite(str(folder / f"{index:03d}.png"), shape_image("circle", 7000 + index))
    cv2.imwrite(str(tmp_path / "clips" / "circle" / "loose.png"), shape_image("circle", 7000))
    (tmp_path / "clips" / "circle" / "0" / "photo.heic").write_bytes(b"?")
    out = tmp_path / "smoothing.json"
    done = edgecnn(
        "tune",
        tiny_int8_model,
        tmp_path / "clips",
        "--fps",
        FPS,
        "--budget",
        1e6,
        "--ep",
        "cpu",
        "--out",
        out,
        "--json",
    )
    assert json.loads(done.stdout)["left_out"] == {"beside_clips": 1, "other_format": 1}
    assert "2 clips; 24 frames used, 2 files left out" in " ".join(done.stderr.split())
