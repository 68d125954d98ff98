"""A host program that flushes denormal numbers, by a session that it opened first, is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys
import onnxruntime
model, first = sys.argv[1:]
logging.basicConfig(format="%(message)s")
if first == "host":
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
from edgecnn import Classifier
from edgecnn.runtime.golden import cache as golden_cache
from edgecnn.runtime.system.denormals import flushes_denormals
for _ in range(2):
    classifier = Classifier(model)
print(flushes_denormals(), golden_cache._circumstances(1))
"""


def run(model: Path, first: str) -> tuple[str, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), first], capture_output=True, text=True, timeout=120, check=True
    )
    flushes, circumstances = done.stdout.split()
    return flushes, circumstances, done.stderr


def test_a_process_whose_host_flushes_them_says_so_once_and_proves_the_model_anew(tiny_model: Path) -> None:
    usual, flushing = run(tiny_model, "nobody"), run(tiny_model, "host")
    if flushing[0] == "False":
        pytest.skip("this processor, or this onnxruntime, does not flush them")
    assert usual[0] == "False"
    assert "denormal" not in usual[2]
    assert flushing[2].count("flushes denormal numbers to zero") == 1
    assert flushing[1] != usual[1]
