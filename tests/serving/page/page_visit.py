"""An open page of a running service in Chromium, and the faults that it had."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from mjpeg_server import MjpegCamera, jpeg
from page_parts import StandIn
from playwright.sync_api import Browser, Page, expect
from serving.running import ask
from shapes import shape_image

from edgecnn.serving.running import RunningService

# How long a test waits for the page, and for the processes behind it: on a loaded machine a child needs many seconds to
# import its packages. A page that is right is not waited for.
PATIENCE_S = 60
expect.set_options(timeout=1000 * PATIENCE_S)
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="the page's tests need Chromium")
SEEDS = {"circle": (0, 1, 7, 8, 9), "square": (1, 3, 4, 5, 9)}  # of shapes that the tiny model is sure of
CIRCLES, SQUARES = ([jpeg(shape_image(name, seed, 64)) for seed in seeds] for name, seeds in SEEDS.items())
# Faults that no test looks for, and how many blob URLs are open
WATCH = """
addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective}`));
window.openBlobs = 0;
const { createObjectURL, revokeObjectURL } = URL;
URL.createObjectURL = (blob) => { window.openBlobs += 1; return createObjectURL.call(URL, blob); };
URL.revokeObjectURL = (url) => { window.openBlobs -= 1; revokeObjectURL.call(URL, url); };
"""


@dataclass
class Visit:
    """An open page, and the faults that it had."""

    page: Page
    service: RunningService
    faults: list[str] = field(default_factory=list)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def forgive(self, reported: str) -> None:
        """Drops what Chromium itself reports of a request that was to fail."""
        self.faults = [
            fault
            for fault in self.faults
            if f"Failed to load resource: {reported}" not in fault and f"status of {reported}" not in fault
        ]

    def live(self) -> None:
        """Waits for an image with a decision."""
        expect(self.page.locator("#live-image")).to_be_visible()
        self.shows("#decision-label", re.compile("^(circle|square)$"))

    def shows(self, selector: str, text: str | re.Pattern[str]) -> None:
        expect(self.page.locator(selector)).to_have_text(text)

    def shows_briefly(self, selector: str, text: str, limit_s: float = PATIENCE_S) -> None:
        """For what stands there for a second: ``expect`` comes to look but once a second, and may miss it."""
        end, seen = time.monotonic() + limit_s, self.text(selector)
        while seen != text:
            assert time.monotonic() < end, f"{selector} shows {seen!r} and not {text!r}"
            self.page.wait_for_timeout(50)
            seen = self.text(selector)


@dataclass
class Watched:
    """The service that most tests share: its camera and its stand-in parts."""

    service: RunningService
    camera: MjpegCamera
    part: StandIn


def is_up(service: RunningService) -> bool:
    try:
        return ask(f"{service.url}/healthz").status == 200
    except OSError:
        return False


def visits_of(browser: Browser) -> Iterator[Callable[..., Visit]]:
    visits = []

    def opened(service: RunningService, *, token: str | None = "", **options: object) -> Visit:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.add_init_script(WATCH)
        page = context.new_page()
        visit = Visit(page, service)
        visits.append(visit)
        page.on("console", lambda message: message.type == "error" and visit.faults.append(message.text))
        page.on("pageerror", lambda error: visit.faults.append(str(error)))
        page.on("dialog", lambda dialog: (visit.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(service.url + ("" if token is None else f"/#token={token or service.token}"))
        return visit

    yield opened
    for visit in visits:
        visit.page.context.close()
        if not is_up(visit.service):  # it ended before the page was closed
            visit.forgive("net::ERR_")
    assert [fault for visit in visits for fault in visit.faults] == []
