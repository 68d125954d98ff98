"""Exported networks: torch's exporter takes seconds for each, so all tests that only read one share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import onnx
import pytest
from copies_once import look_for_copies_once
from harmed import write_harmed_model
from made_once import made_once
from plots_left_out import leave_out_plots
from short_races import shorten_races
from torch.onnx._internal._lazy_import import onnxscript_apis
from untrained import shared_backend

from exporters import export_onnx


@pytest.fixture(scope="session", autouse=True)
def _short_races() -> None:
    shorten_races()


@pytest.fixture(scope="session", autouse=True)
def _short_trainings() -> None:
    look_for_copies_once()
    leave_out_plots()


@pytest.fixture(scope="session", autouse=True)
def _operators_read_once() -> Iterator[None]:
    """Torch's exporter reads the source of its 500 operators for each export, a fifth of its time with a small network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxscript_apis, "get_torchlib_ops", cache(onnxscript_apis.get_torchlib_ops))
        yield


@pytest.fixture(scope="session")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The float file of a built-in network by its name, at the size in `untrained.SIZES`; not to be written to."""

    def find(name: str) -> Path:
        def make(folder: Path) -> None:
            export_onnx(shared_backend(name), folder / "model.onnx")

        return made_once(name, make, tmp_path_factory) / "model.onnx"

    return find


@pytest.fixture(scope="session")
def float_model(float_file: Callable[[str], Path]) -> Callable[[str], onnx.ModelProto]:
    """The same, loaded anew for each test that changes it."""
    return lambda name: onnx.load(float_file(name))


@pytest.fixture(scope="session")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The float file of a network that eight bits harm in one place; not to be written to."""
    make = lambda folder: write_harmed_model(folder / "six.onnx", folder / "training")  # noqa: E731
    return made_once("harmed", make, tmp_path_factory) / "six.onnx"
