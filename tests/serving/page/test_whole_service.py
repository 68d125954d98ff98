"""The live page in a real Chromium, with the parts of the service that swap models and collect frames."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mjpeg_server import mjpeg_camera
from page_visit import needs_chromium
from playwright.sync_api import Browser, Page, expect
from serving.moved_camera import MOVED, REGIONS, frames, view
from serving.running import MODELS, ask, running
from waiting import until

from edgecnn.data.image_folder import scan_folder
from edgecnn.runtime.frame_quality.thresholds import HealthThresholds
from edgecnn.runtime.frame_quality.view_reference import small_grey, write_reference
from edgecnn.serving.running import RunningService

pytestmark = needs_chromium

FAKE = {"name": "door", "address": "fake:320x240@20"}


@contextmanager
def opened(browser: Browser, service: RunningService) -> Iterator[Page]:
    """The page of a service. At its end it had no error and no dialog."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{service.url}/#token={service.token}")
    expect(page.locator("#live-image")).to_be_visible()
    yield page
    page.close()
    assert faults == []


def test_a_new_model_is_uploaded_takes_over_and_is_rolled_back(browser: Browser, tmp_path: Path) -> None:
    swap = {"mode": "confirm", "shadow_frames": 5}
    with running(tmp_path, sources=[FAKE], swap=swap) as service, opened(browser, service) as page:
        old = service.service.first_model.current.sha256
        expect(page.locator("#fact-hash")).to_have_text(old[:12])
        page.set_input_files("#upload-file", MODELS / "tiny.int8.onnx")
        page.click("#confirm-ok")
        expect(page.locator("#shadow-main")).to_have_text(re.compile("Agreement"))
        expect(page.locator("#accept-main")).to_be_enabled()
        page.click("#accept-main")
        page.click("#confirm-ok")
        until(lambda: service.service.first_model.current.sha256 != old)
        new = service.service.first_model.current.sha256
        expect(page.locator("#fact-hash")).to_have_text(new[:12])
        expect(page.locator("#serving-main code")).to_have_text(new)
        page.click("#rollback-main")
        page.click("#confirm-ok")
        expect(page.locator("#fact-hash")).to_have_text(old[:12])


def test_twenty_collected_frames_are_labelled_in_the_grid(browser: Browser, tmp_path: Path) -> None:
    collect = {"dir": tmp_path / "frames", "min_interval_s": 0, "uncertain_below": 1.0, "when": ["uncertain"]}
    with mjpeg_camera(20) as camera:
        source = {"name": "door", "address": camera.url}
        with running(tmp_path, sources=[source], collect=collect) as service:
            until(lambda: ask(f"{service.url}/api/collect").json["total"] >= 20)
            camera.set_fault("closed")  # no further frames come while they are labelled
            until(lambda: not service.service.sources["door"].status().up)
            camera.set_fault(None)
            with opened(browser, service) as page:
                camera.set_fault("closed")
                page.locator("#frames").scroll_into_view_if_needed()
                expect(page.get_by_test_id("frame").nth(19)).to_be_visible()
                page.get_by_test_id("frame").nth(0).click()
                page.get_by_test_id("frame").nth(19).click(modifiers=["Shift"])
                expect(page.locator("#selected-count")).to_have_text("20 selected")
                page.fill("#label-field", "circle")
                page.keyboard.press("Enter")
                expect(page.locator("#collect-message")).to_have_text(re.compile("20 frames labelled circle"))
    labelled = scan_folder(tmp_path / "frames" / "labelled")
    assert labelled.class_names == ("circle",)
    assert len(labelled.images) == 20


def test_a_region_is_drawn_and_classified_by_itself(browser: Browser, tmp_path: Path) -> None:
    with running(tmp_path, sources=[FAKE]) as service, opened(browser, service) as page:
        page.click("#edit-regions")
        box = page.locator("#region-layer").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 0.25 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
        page.mouse.up()
        page.get_by_test_id("region-name").first.fill("gate")
        page.click("#region-save")
        until(lambda: [s["view"] for s in ask(f"{service.url}/api/state").json["states"]] == ["door.gate"])
        x, y, width, height = map(float, service.service.regions("door")[0].roi.split(","))
        assert (x, y, width, height) == pytest.approx((0.25, 0.25, 0.5, 0.5), abs=0.02)
        expect(page.locator("#overlay .region")).to_have_text(re.compile("gate"))
        for _ in ("as an event", "read again"):
            expect(page.locator("#log-list")).to_contain_text("regions are now gate")
            expect(page.locator("#log-list")).not_to_contain_text("undefined")
            page.reload()


def test_regions_follow_a_camera_that_was_moved(browser: Browser, tmp_path: Path) -> None:
    limits = HealthThresholds(view_every_s=0.05, view_checks=2).with_references(write_reference(small_grey(view(0))))
    limits.save(tmp_path / "health.json")
    with mjpeg_camera(20) as camera:
        camera.frames = frames(0)
        source = {"name": "door", "address": camera.url, "health": tmp_path / "health.json", "regions": REGIONS}
        with running(tmp_path, sources=[source]) as service, opened(browser, service) as page:
            expect(page.locator("#realign")).to_be_hidden()
            camera.frames = frames(MOVED)
            expect(page.locator("#decision-reason")).to_have_text(re.compile("view changed: moved"))
            page.click("#realign")
            page.click("#confirm-ok")
            expect(page.locator("#realign")).to_be_hidden()
            until(lambda: int(service.service.regions("door")[0].roi.split(",")[0]) == pytest.approx(32 + MOVED, abs=1))
