"""The browser, and a service that the tests of one file share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from mjpeg_server import MjpegCamera, mjpeg_camera
from page_parts import StandIn
from page_visit import CHROMIUM, CIRCLES, Visit, Watched, visits_of
from playwright.sync_api import Browser, sync_playwright
from serving.running import running

from edgecnn.serving.running import RunningService


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as found:
        browser = found.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def parts() -> Iterator[Callable[[StandIn], None]]:
    """Sets what stands in for the parts of services that start from now on."""
    with pytest.MonkeyPatch.context() as patch:
        yield lambda part: patch.setattr("edgecnn.serving.running.make_parts", lambda *_: (part,))


@pytest.fixture(scope="module")
def shared(
    parts: Callable[[StandIn], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningService, MjpegCamera]]:
    with mjpeg_camera(15) as camera:
        parts(StandIn())
        source = {"name": "door", "address": camera.url}
        with running(tmp_path_factory.mktemp("page"), sources=[source]) as service:
            yield service, camera


@pytest.fixture
def watched(shared: tuple[RunningService, MjpegCamera], monkeypatch: pytest.MonkeyPatch) -> Watched:
    """The shared service in its first state."""
    service, camera = shared
    camera.frames = CIRCLES
    service.service.draw_regions("door", ())
    part = service._parts[0]
    assert isinstance(part, StandIn)
    vars(part).update(vars(StandIn()))
    return Watched(service, camera, part)


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens the page of a service. At the end it had no error, no dialog and no violation of the policy."""
    with contextmanager(visits_of)(browser) as opened:
        yield opened
