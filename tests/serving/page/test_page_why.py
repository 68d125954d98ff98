"""The live page answers Why? at the decision and at a collected frame, by mouse, keyboard and on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from page_visit import Visit, needs_chromium
from playwright.sync_api import expect
from serving.running import TINY, running
from taught_models import taught_with_thumbnails
from waiting import until

from edgecnn.runtime.classifier import Classifier
from edgecnn.serving.engine.served_model import LoadedModel
from edgecnn.serving.running import RunningService

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A taught model that serves after another one."""
    folder, taught = tmp_path_factory.mktemp("page_why"), taught_with_thumbnails(tmp_path_factory)
    values = {
        "models": [{"name": "main", "file": taught}],
        "sources": [{"name": "door", "address": f"loop:{taught.with_name('images') / 'light'}@10"}],
        "collect": {"dir": folder / "frames", "uncertain_below": 1.0, "min_interval_s": 0},
    }
    with running(folder, **values) as service:
        service.service.first_model.keep_previous(LoadedModel.of(Classifier(TINY, ep="cpu"), TINY))
        until(lambda: service.service.ready)
        yield service


def test_the_decision_is_explained_beside_the_model_before_or_it_is_said_why_not(
    explained: RunningService, visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = visit(explained)
    page = opened.page
    expect(page.locator("#why")).to_be_enabled()
    page.focus("#why")
    page.keyboard.press("Enter")
    answers = page.get_by_test_id("why-answer")
    expect(answers).to_have_count(2)
    expect(answers.nth(0).locator("h3")).to_have_text("Now")
    expect(answers.nth(1).locator("h3")).to_have_text("Before")
    expect(answers.nth(0).locator(".bars li").first).to_contain_text("light")
    layer = page.get_by_role("img", name="Map of what speaks for light")
    expect(layer).to_have_js_property("naturalWidth", 160)
    base = answers.nth(0).get_by_role("img", name="What was classified")
    assert layer.bounding_box() == base.bounding_box()
    page.get_by_label("Show what speaks for the answer, in red").uncheck()
    expect(layer).to_be_hidden()
    similar = page.locator(".similar li")
    expect(similar).to_have_count(5)
    expect(similar.first).to_contain_text(re.compile(r"\d{4}\.png"))
    expect(similar.first.locator("img")).to_have_js_property("naturalWidth", 48)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#why")).to_be_focused()
    assert page.evaluate("window.openBlobs") <= 2  # the live image's own
    monkeypatch.setattr(explained.service.sources["door"].image, "put", lambda *_: None)  # first, or a frame follows
    monkeypatch.setattr(explained.service.sources["door"].image, "_newest", (0, None))
    page.click("#why")
    expect(page.get_by_role("alert")).to_have_text(re.compile("there is no frame yet"))
    opened.forgive("404")


def test_a_collected_frame_is_explained_on_a_phone(explained: RunningService, visit: Callable[..., Visit]) -> None:
    page = visit(explained, viewport={"width": 390, "height": 844}).page
    expect(page.locator("#why-frame")).to_be_disabled()
    page.locator("[data-id]").first.click()
    page.click("#why-frame")
    expect(page.get_by_test_id("why-answer")).to_have_count(2)
    viewer = page.locator("#viewer")
    assert viewer.evaluate("node => node.scrollWidth <= node.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()
