"""Every block of commands and every Python block of the pages is run by a test, or has a reason why not."""

from __future__ import annotations

import re
import shutil
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from code_blocks import HELD, IN_PYTHON, RunBy, how_held
from doc_pages import PAGES, ROOT, blocks, name
from made_clips import moving
from recurrent_models import write_recurrent
from serving.running import running
from shapes import shape_image
from taught_models import taught_with_thumbnails
from video_files import write_video

from edgecnn.runtime.frame_quality.thresholds import FrameQualityThresholds
from edgecnn.runtime.smoothing.smoother import SmoothingOptions, write_smoothing

INSTEAD = {
    'open_source("0")': 'open_source("fake:640x480@30")',
    "in camera:": "in islice(camera, 3):",
    '"rtsp://camera/stream"': '"clip.avi"',
    '"rtsp://camera/1"': '"clip.avi"',
    '"0"': '"clip.avi"',
}
"""Cameras of the blocks, and videos and frames that end in their place."""


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name)
def test_every_block_is_run_or_has_a_reason(page: Path) -> None:
    for block in blocks(page):
        assert how_held(name(page), block), (
            f"{name(page)}: no test runs this, and tests/docs/code_blocks.py has no reason why:\n{block.text}"
        )


def test_every_entry_stands_for_a_block() -> None:
    for page, entries in HELD.items():
        found = [how_held(page, block) for block in blocks(ROOT / page)]
        assert all(held in found for _, held in entries), f"{page}: an entry of tests/docs/code_blocks.py fits no block"


def test_the_tests_that_run_the_blocks_exist() -> None:
    defined = {
        found
        for file in (ROOT / "tests").rglob("test_*.py")
        for found in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    named = {held.name for entries in HELD.values() for _, held in entries if isinstance(held, RunBy)}
    assert named <= defined, named - defined


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the Python blocks name."""
    made = tmp_path_factory.mktemp("python-blocks")
    models = ROOT / "tests" / "models"
    shutil.copy(models / "tiny.onnx", made / "model.onnx")
    shutil.copy(models / "tiny.int8.onnx", made / "model.int8.onnx")
    shutil.copy(taught_with_thumbnails(tmp_path_factory), made / "taught.onnx")
    write_recurrent(made / "door.onnx")
    for path in ("image.jpg", "cats-dogs/dog/0004.png"):
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(made / path), shape_image("circle", 1, 640)[:480])
    for label in ("circle", "square"):
        (made / "labelled" / label).mkdir(parents=True)
        for seed in range(6):
            cv2.imwrite(str(made / "labelled" / label / f"{seed}.png"), shape_image(label, seed))
    FrameQualityThresholds().save(made / "health.json")
    write_smoothing(made / "smoothing.json", SmoothingOptions())
    write_video(made / "clip.avi", [cv2.resize(frame, (640, 480)) for frame in moving("left", 6, 0, 64)], fps=10)
    return made


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(how_held(name(page), block) == IN_PYTHON for block in blocks(page))],
    ids=name,
)
def test_the_python_blocks_of_a_page_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    given = {"__name__": "__main__", "main": lambda: None, "islice": islice, "frame": np.zeros((32, 32, 3), np.uint8)}
    for block in blocks(page):
        if how_held(name(page), block) == IN_PYTHON:
            text = block.text
            for camera, video in INSTEAD.items():
                text = text.replace(camera, video)
            exec(compile(text, name(page), "exec"), dict(given))


def test_the_client_of_the_api_page_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    (block,) = (block for block in blocks(ROOT / "docs" / "api.md") if block.language == "python")
    with running(tmp_path) as service:
        address = service.url.removeprefix("http://").rstrip("/")
        exec(compile(block.text.replace("127.0.0.1:4912", address), "docs/api.md", "exec"), {})
    probabilities = re.findall(r"0\.\d+", capsys.readouterr().out)
    shown = re.findall(r"0\.\d+", block.text.rpartition("#")[2])
    assert len(shown) == 2
    assert [*map(float, probabilities)] == pytest.approx([*map(float, shown)], abs=1e-4)
