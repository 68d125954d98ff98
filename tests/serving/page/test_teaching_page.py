"""Collect, label, teach, accept and roll back on the page, in a real Chromium with a real service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from grounds import write_stripes
from mjpeg_server import mjpeg_camera
from page_parts import NOTHING_TAUGHT, SHADOW_SHA
from page_visit import Visit, Watched, needs_chromium
from playwright.sync_api import expect
from serving.running import ask, running
from taught_models import taught_grounds
from waiting import until

pytestmark = needs_chromium


def stripes(folder: Path) -> list[bytes]:
    """JPEGs of a class that the model does not know, all unlike each other."""
    images = [cv2.imread(str(path)) for path in sorted(write_stripes(folder, 14).rglob("*.png"))]
    return [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for image in images]


def test_a_new_class_is_collected_labelled_taught_and_answered(
    visit: Callable[..., Visit], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings: dict[str, Any] = {
        "models": [{"file": taught_grounds(tmp_path_factory)}],  # it remembers what its classes look like
        "collect": {"dir": tmp_path / "frames", "min_interval_s": 0, "uncertain_below": 1.0},
        "swap": {"shadow_frames": 10},
        "teach": {"nice": 0},
    }
    with mjpeg_camera(20) as camera:
        camera.frames = stripes(tmp_path / "stripes")
        with running(tmp_path, **settings, sources=[{"name": "door", "address": camera.url}]) as service:
            until(lambda: len({f["group"] for f in ask(f"{service.url}/api/collect").json["frames"]}) >= 10)
            page = visit(service)
            expect(page.page.get_by_test_id("frame").nth(9)).to_be_visible()
            page.page.select_option("#collect-order", "next")
            expect(page.page.locator("#frames .why").first).to_have_text(re.compile("likely|uncertain|typical of many"))
            page.page.click("#select-all")
            page.page.fill("#label-field", "stripes")
            page.page.click("#label")
            page.shows("#teach-labels", re.compile(r"stripes\s*\d+\s*\d+\s*✓"))
            page.page.click("#teach-start")  # the first click after labelling
            page.shows("#teach-result h3", re.compile("Taught: better"))
            page.shows(
                "#teach-accuracy",
                re.compile(r"Accuracy before\s*0 %.*Accuracy after\s*([5-9]\d(\.\d)?|100) %", re.DOTALL),
            )
            page.shows("#teach-accuracy", re.compile("Expected with .* per class"))
            page.shows("#teach-swap-state", re.compile("agrees with the old model on .* look at what differs"))
            page.shows("#teach-difference", re.compile("→ stripes"))
            page.page.click("#teach-accept")  # the second click after labelling
            page.shows("#teach-swap-state", "The taught model serves.")
            page.shows("#decision-label", "stripes")
            assert page.page.locator("#known-labels option[value=stripes]").count() == 1
            page.page.click("#teach-rollback")
            page.shows("#decision-label", re.compile("dark|light|unknown"))
            page.shows("#teach-swap-state", "It does not serve any more.")
            assert service.service.first_model.current.labels == ("dark", "light")


LAST = {
    "id": "t1",
    "state": "taught",
    "reason": "by cross-validation its top-1 is 0.9600, the model as it is 0.4000",
    "at": "2026-11-28T12:00:00.000Z",
    "swap": {"id": "s1", "sha256": SHADOW_SHA},
    "labels": ["circle", "square", "stripes"],
    "added": ["stripes"],
    "images": 50,
    "cv_top1": 0.96,
    "cv_interval": [0.87, 0.99],
    "before_top1": 0.4,
    "forecast": [
        {"images_per_class": 50, "top1": 0.97, "interval": [0.93, 0.99]},
        {"images_per_class": 100, "top1": 0.98, "interval": [0.94, 0.995]},
    ],
    "classes": [
        {"label": "square", "images": 25, "recall": 0.92, "confused_with": "circle"},
        {"label": "stripes", "images": 25, "recall": 1.0, "confused_with": None},
    ],
    "known_top1_before": 0.991,
    "known_top1_after": 0.988,
    "notes": ["all images of 'stripes' are of one session"],
    "skipped": 1,
    "seconds": 2.5,
}
LABELLED = {
    **NOTHING_TAUGHT,
    "labelled": {"square": 25, "stripes": 3},
    "moments": {"square": 11, "stripes": 2},
    "missing": {"stripes": 2},
    "why_not": "'stripes' has 3 labelled frames, at least 5 different ones are needed",
}


def test_what_is_missing_and_how_it_went_is_shown(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.teaching = LABELLED
    page = visit(watched.service)
    page.shows("#teach-labels", re.compile(r"square\s*25\s*11\s*✓\s*stripes\s*3\s*2\s*2 more"))
    page.shows("#teach-ready", re.compile("'stripes' has 3 labelled frames"))
    expect(page.page.locator("#teach-start")).to_be_disabled()
    watched.part.try_model()
    assert watched.part.shadow is not None
    differs = watched.part.shadow["differing"][0]
    unfit = {**differs, "shadow": {"label": None, "status": "no_decision", "score": None}}
    watched.part.shadow |= {"mode": "auto", "agreement": 0.5, "differing": [differs, unfit]}
    watched.part.teaching = {**LABELLED, "missing": {}, "ready": True, "last": LAST}
    page.page.reload()
    page.shows("#teach-accuracy", re.compile("Accuracy before\\s*40 %\\s*Accuracy after\\s*96 % \\(87 % to 99 %\\)"))
    page.shows("#teach-accuracy", re.compile("Expected with 100 per class\\s*98 % \\(94 % to 99.5 %\\)"))
    page.shows("#teach-accuracy", re.compile("Classes it knew\\s*99.1 % before, 99 % after"))
    page.shows("#teach-weakest tbody tr:first-child", re.compile("square\\s*25\\s*92 %\\s*circle"))
    page.shows("#teach-swap-state", re.compile("agrees with the old model on 50 % of 50 frames, less than the 80 %"))
    page.shows("#teach-difference li:first-child", "circle → unknown: 1 frame")
    page.shows("#teach-difference li:last-child", "circle → no decision: 1 frame")
    page.page.click("#teach-reject")
    page.shows("#teach-message", "the old model stays")
    page.page.click("#teach-start")
    until(lambda: watched.part.asked[-1] == ("/api/teach", {"replace": False}))
    assert watched.part.asked[0] == ("/api/models/reject", {"id": "s1"})


def test_hundreds_of_classes_leave_the_button_in_sight_and_any_name_is_only_a_name(
    watched: Watched, visit: Callable[..., Visit]
) -> None:
    names = ["constructor", "<b>x</b>", "no-break-" * 7, *(f"class-{i}" for i in range(300))]
    classes = [{**LAST["classes"][0], "label": name} for name in names]
    last = {**LAST, "added": names, "classes": classes}
    counted = {"labelled": dict.fromkeys(names, 9), "moments": dict.fromkeys(names, 9), "missing": {}}
    watched.part.teaching = {**LABELLED, **counted, "ready": True, "last": last}
    page = visit(watched.service, viewport={"width": 360, "height": 740})
    page.shows("#teach-labels tr:first-child", re.compile(r"^constructor\s*9\s*9\s*✓$"))
    page.shows("#teach-labels tr:nth-child(2)", re.compile("^<b>x</b>"))
    page.shows("#teach-accuracy", re.compile("class-8, and 291 more"))
    box = page.page.locator("#teach").bounding_box()
    button = page.page.locator("#teach-start").bounding_box()
    assert box is not None
    assert button is not None
    assert button["y"] - box["y"] < 600
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360


def test_a_teaching_shows_its_progress_can_be_cancelled_and_says_why_the_model_stays(
    watched: Watched, visit: Callable[..., Visit]
) -> None:
    running_ = {"id": "t1", "model": "main", "kind": "teach", "stage": "cross-validation", "done": 7, "total": 35}
    watched.part.teaching = {**LABELLED, "ready": True, "running": running_}
    page = visit(watched.service)
    page.shows("#teach-stage", "cross-validation: 7 of 35")
    expect(page.page.locator("#teach-start")).to_be_disabled()
    page.page.click("#teach-cancel")
    until(lambda: watched.part.asked == [("/api/teach/cancel", None)])
    stays = {"skipped": 0, "at": LAST["at"], "swap": None}
    cancelled = {**dict.fromkeys(LAST), **stays, "state": "failed", "reason": "cancelled; the model stays"}
    watched.part.teaching = {**LABELLED, "ready": True, "last": cancelled}
    expect(page.page.locator("#teach-progress")).to_be_hidden()
    page.shows("#teach-reason", "cancelled; the model stays")
    expect(page.page.locator("#teach-weakest")).to_have_count(0)
    watched.part.teaching = {
        **LABELLED,
        "last": {**LAST, **stays, "state": "unchanged", "reason": "label more of them"},
    }
    page.page.reload()
    page.shows("#teach-reason", "label more of them")
    expect(page.page.locator("#teach-weakest")).to_have_count(1)
    expect(page.page.locator("#teach-swap")).to_be_hidden()


def test_the_teach_panel_fits_a_phone(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.try_model()
    watched.part.teaching = {**LABELLED, "ready": True, "last": LAST}
    page = visit(watched.service, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.shows("#teach-accuracy", re.compile("Accuracy after"))
    expect(page.page.locator("#teach-accept")).to_be_visible()
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    low = page.page.locator("#teach button:visible").evaluate_all(
        "all => all.filter((b) => b.offsetHeight < 36).map((b) => b.id)"
    )
    assert low == []
