"""Folders of labels that nobody should give ``edgecnn teach``; `hostile_folders.py` has the whole set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("hostile_folders.py")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each folder is tried in a fork")


def test_each_ends_with_a_status_and_a_line_and_leaves_nothing_behind() -> None:
    tried = subprocess.run(
        [sys.executable, SCRIPT, "10", "--seed", "3", "--workers", "1"], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "10 folders: " in tried.stdout


def test_the_check_finds_what_is_wrong() -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    from hostile_folders import _faults_of_words

    good = "reading images: 0.1 s\nedgecnn: error: /data: no such folder; check the path\n"
    assert _faults_of_words(2, "", good) == []
    assert _faults_of_words(1, "", good)
    assert _faults_of_words(2, "{}", good)
    assert _faults_of_words(2, "", good + good)
    assert _faults_of_words(2, "", "edgecnn: error: wrong\n")
    assert _faults_of_words(0, "no json", "")
    assert _faults_of_words(2, "", good + "Traceback (most recent call last):")
