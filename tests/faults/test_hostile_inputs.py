"""Images and settings made by seeds: none ends, stalls or confuses the process that reads it.

`benchmarks/bench_hostile.py` tries thousands of them in the same way.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults.hostile_images import hostile_images
from faults.hostile_settings import WHOLE, hostile_settings
from faults.trial import Outcome, tried

MOST_MB, MOST_CPU_S = 512, 2.0  # of an image; the whole process, and its processor time


def test_hostile_images_are_answered_or_refused_each_within_its_share(tmp_path: Path) -> None:
    paths = [tmp_path / image.name for image in hostile_images(100, seed=1)]
    for path, image in zip(paths, hostile_images(100, seed=1), strict=True):
        path.write_bytes(image.content)
    outcomes = tried("images", paths)
    assert [outcome for outcome in outcomes if outcome.is_fault] == []
    assert max(outcome.memory_mb for outcome in outcomes) < MOST_MB
    assert max(outcome.cpu_s for outcome in outcomes) < MOST_CPU_S
    assert {outcome.what for outcome in outcomes} == {"answered", "refused"}, "the seed gives both"


def test_a_folder_of_hostile_images_has_a_row_for_each(edgecnn, tiny_model: Path, tmp_path: Path) -> None:
    names = set()
    for image in hostile_images(60, seed=2):
        (tmp_path / image.name).write_bytes(image.content)
        names.add(image.name)
    done = edgecnn("predict", tiny_model, tmp_path, "--format", "jsonl", "--ep", "cpu")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {Path(row["source"]).name for row in rows} == names
    assert all(row["label"] is None and row["reason"] for row in rows if row["status"] == "error")
    assert "Traceback" not in done.stderr


def test_hostile_settings_are_refused_in_a_line(tmp_path: Path) -> None:
    paths = [tmp_path / settings.name for settings in hostile_settings(120, seed=1)]
    for path, settings in zip(paths, hostile_settings(120, seed=1), strict=True):
        path.write_bytes(settings.content)
    (tmp_path / "whole.toml").write_text(WHOLE)
    outcomes = tried("settings", [*paths, tmp_path / "whole.toml"])
    assert [outcome for outcome in outcomes if outcome.is_fault] == []
    assert outcomes[-1].what == "answered", outcomes[-1].said
    assert all("secret" not in outcome.said for outcome in outcomes)


@pytest.mark.parametrize(
    ("program", "what"),
    [("import os; os.kill(os.getpid(), 11)", "crashed"), ("while True: pass", "hung"), ("1 / 0", "traceback")],
)
def test_the_trial_names_the_file_that_ends_or_stalls_its_child(program: str, what: str, tmp_path: Path) -> None:
    """A check that finds nothing would be worth nothing."""
    (tmp_path / "bad").write_text(program)
    (tmp_path / "good").write_text("")
    outcomes = tried("programs", [tmp_path / "good", tmp_path / "bad", tmp_path / "good"])
    assert [outcome.what for outcome in outcomes] == ["answered", what, "answered"]
    assert [outcome.is_fault for outcome in outcomes] == [False, True, False]
    assert isinstance(outcomes[1], Outcome)
