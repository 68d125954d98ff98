"""A service that collects nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving.running import running

from edgecnn.serving.running import RunningService


@pytest.fixture(scope="module")
def without_frames(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running(tmp_path_factory.mktemp("none")) as service:
        yield service


@pytest.fixture
def nothing_collected(without_frames: RunningService) -> str:
    return without_frames.url


@pytest.fixture
def token(without_frames: RunningService) -> str:
    return without_frames.token
