"""The panels of models and of collected frames, driven alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from page_parts import SHADOW_SHA
from page_visit import Visit, Watched, needs_chromium
from playwright.sync_api import Route, expect
from serving.running import TINY, ask

pytestmark = needs_chromium


def test_a_model_is_uploaded_compared_and_accepted(
    watched: Watched, visit: Callable[..., Visit], tmp_path: Path
) -> None:
    page = visit(watched.service)
    page.shows("#serving-main", re.compile("serving.onnx"))
    bad, good = tmp_path / "bad.onnx", tmp_path / "good.onnx"
    bad.write_bytes(b"no model")
    good.write_bytes(TINY.read_bytes())
    for file, message in ((bad, "upload: not an ONNX file"), (good, "good.onnx was uploaded: 333333333333")):
        page.page.set_input_files("#upload-file", file)
        page.page.click("#confirm-ok")
        page.shows("#models-message", message)
    assert watched.part.asked == [("/api/models", ("main", f.read_bytes())) for f in (bad, good)]
    page.shows("#shadow-main", re.compile("Agreement 98 %, at least 80 % required"))
    page.shows("#differing-main .versus", re.compile("Serving\\s*circle 60 %\\s*Shadow\\s*unknown"))
    page.page.locator("#differing-main img").scroll_into_view_if_needed()
    expect(page.page.locator("#differing-main img")).to_have_js_property("naturalWidth", 96)
    page.page.click("#accept-main")
    page.page.click("#confirm-cancel")
    assert len(watched.part.asked) == 2
    page.page.click("#accept-main")
    page.page.click("#confirm-ok")
    page.shows("#serving-main code", SHADOW_SHA)
    assert watched.part.asked[-1] == ("/api/models/accept", {"id": "s1"})
    page.forgive("400")  # of the bad file


def test_frames_are_selected_and_labelled(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collect(20, 4)
    page = visit(watched.service)
    page.shows("#collect-total", "20 frames, 240 kB")
    click = page.page.click
    page.shows("#selected-count", "0 selected")
    click("[data-id=f2]")
    click("[data-id=f6]", modifiers=["Shift"])
    page.shows("#selected-count", "5 selected")
    click("#select-groups")
    page.shows("#selected-count", "8 selected")
    page.page.keyboard.press("Escape")
    page.page.focus("[data-id=f6]")
    page.page.keyboard.press("Space")
    page.shows("#selected-count", "7 selected")
    page.page.keyboard.press("Shift+ArrowRight")
    page.page.keyboard.press("Shift+ArrowRight")
    page.shows("#selected-count", "9 selected")
    page.page.keyboard.press("Control+A")
    page.shows("#selected-count", "20 selected")
    assert page.page.locator("#known-labels option").evaluate_all("all => all.map((o) => o.value)") == [
        "circle",
        "square",
    ]
    page.page.fill("#label-field", "square")
    page.page.keyboard.press("Enter")
    page.shows("#collect-message", "20 frames labelled square")
    assert watched.part.asked == [("/api/collect/label", {"ids": [f"f{n}" for n in range(20)], "label": "square"})]
    expect(page.page.locator(".given")).to_have_count(20)


def test_frames_are_discarded_once_confirmed_and_replayed(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collect(4, 2)
    page = visit(watched.service)
    page.page.get_by_test_id("select-group").first.click()
    page.page.click("#discard")
    page.shows("#confirm-text", re.compile("2 frames will be deleted"))
    page.page.click("#confirm-ok")
    page.shows("#collect-message", "2 frames discarded")
    expect(page.page.get_by_test_id("frame")).to_have_count(2)
    page.page.get_by_test_id("frame").first.click()
    page.page.click("#replay")
    answers = page.page.get_by_test_id("replay-answer")
    expect(answers.nth(0)).to_contain_text(re.compile("Before.*square 53 %"))
    expect(answers.nth(1)).to_contain_text(re.compile("Now: serving.*square 97 %"))


def test_frames_in_an_order_that_was_left_are_not_shown_late(watched: Watched, visit: Callable[..., Visit]) -> None:
    """The service ranks for seconds; who does not wait chooses the newest again."""
    watched.part.collect(6)
    page = visit(watched.service)
    page.shows("#collect-total", "6 frames, 72 kB")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.page.route("**/api/teach/next*", hold)
    with page.page.expect_request("**/api/teach/next*"):
        page.page.select_option("#collect-order", "next")
    with page.page.expect_response(re.compile("/api/collect[?].*offset=0")):
        page.page.select_option("#collect-order", "newest")
    ranked = {"running": False, "at": "now", "reason": "no", "new": 0, "frames": [], "total": 0, "bytes": 0}
    with page.page.expect_response("**/api/teach/next*"):
        held[0].fulfill(json=ranked)
    page.page.evaluate("fetch('/api/state').then((answer) => answer.text())")  # what came before it has been handled
    expect(page.page.get_by_test_id("frame")).to_have_count(6)
    assert page.text("#collect-total") == "6 frames, 72 kB"
    assert page.text("#collect-message") == ""


def test_collecting_that_is_off_says_how_to_turn_it_on(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collecting = False
    page = visit(watched.service)
    page.shows("#collect-off", re.compile(r"Collecting is off[^.]*\. To turn it on, write\s+\[collect\]"))
    expect(page.page.locator("#collect-on")).to_be_hidden()


def test_files_of_the_page_are_answered_by_name_alone(watched: Watched) -> None:
    url = watched.service.url
    assert ask(f"{url}/page/panels/live.js").headers["content-type"] == "text/javascript; charset=utf-8"
    for path in ("panels", "panels/", "../app.py", "%2e%2e/parts.py", "panels/%2e%2e/app.js", "//etc/passwd", ""):
        assert ask(f"{url}/page/{path}").status == 404, path
