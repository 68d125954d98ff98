"""The live page is used by mouse, keyboard and on a phone, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from page_visit import Visit, Watched, needs_chromium
from playwright.sync_api import expect

pytestmark = needs_chromium


def test_text_has_contrast_in_light_and_dark(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collect(6, 3)
    watched.part.try_model()
    page = visit(watched.service)
    page.live()
    page.page.click("[data-id=f1]")
    page.page.click("#edit-regions")
    page.page.click("#region-add")
    for scheme in ("light", "dark"):
        page.page.emulate_media(color_scheme=scheme)
        ground = page.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 380) == (scheme == "light")
        assert page.page.evaluate(CONTRAST) == [], scheme


# Of every text that is seen and can be used: those with too little contrast. The stage has its own dark ground.
CONTRAST = """() => {
    const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
    const light = ([...rgb]) => rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.a === 1) return color.rgb;
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const poor = [];
    let seen = 0;
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.closest('#stage, :disabled, noscript')) continue;
        seen += 1;
        const [a, b] = [parse(getComputedStyle(node).color).rgb, ground(node)].map(light).sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${walker.currentNode.data.trim()}: ${ratio.toFixed(2)}`);
    }
    return seen > 60 ? poor : ['too little text was looked at'];
}"""


def test_a_phone_needs_no_scrolling_to_the_side(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collect(12, 5)
    watched.part.frames[0]["given_label"] = "a-label-without-any-place-to-break-" * 4
    watched.part.try_model()
    page = visit(watched.service, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page.live()
    page.page.click("#edit-regions")
    page.page.click("#region-add")
    assert page.page.evaluate("document.documentElement.scrollWidth") == 360
    low = page.page.locator("button:visible").evaluate_all(
        "all => all.filter((b) => b.offsetHeight < 36).map((b) => b.id)"
    )
    assert low == [], "buttons too low for a finger"


def test_everything_is_reached_by_the_tab_key_and_seen(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.part.collect(6, 3)
    watched.part.try_model()
    page = visit(watched.service)
    page.shows("#decision-label", "circle")
    page.shows("#selected-count", "0 selected")
    reached, hidden = set(), []
    for _ in range(40):
        page.page.keyboard.press("Tab")
        name, outline = page.page.evaluate("""() => {
            const { activeElement: at } = document;
            const { outlineStyle, outlineWidth } = getComputedStyle(at);
            return [at.id || at.dataset.testid || at.className || at.tagName, outlineStyle === 'none' ? 0 : parseFloat(outlineWidth)];
        }""")
        if name == "BODY":
            break
        reached.add(name)
        if not outline:
            hidden.append(name)
    wanted = "access edit-regions log-kind log-scroll upload accept-main reject-main rollback-main collect-source"
    assert not {*wanted.split(), "label-field", "select-all", "select-group", "frame"} - reached
    assert hidden == []


def test_a_region_is_made_by_keyboard_alone(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.live()
    keys = page.page.keyboard
    page.page.focus("#edit-regions")
    keys.press("Enter")
    page.page.focus("#region-add")
    keys.press("Enter")
    keys.type("door-way")
    box = page.page.get_by_test_id("region-box")
    box.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Shift+ArrowLeft"):
        keys.press(key)
    expect(box).to_have_attribute("aria-label", re.compile("door-way: left 26 %, top 27 %, 49 % wide, 50 % high"))
    page.page.get_by_test_id("region-height").focus()
    keys.press("Control+A")
    keys.type("40")
    keys.press("Enter")
    page.shows("#overlay .region", re.compile("^door-way(circle|square|no decision)"))
    assert drawn(watched) == [("door-way", "0.26,0.27,0.49,0.4")]
    expect(page.page.locator("#region-form")).to_be_hidden()
    expect(page.page.locator("#edit-regions")).to_be_focused()


def test_a_region_is_drawn_with_the_mouse(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.live()
    page.page.click("#edit-regions")
    layer = page.page.locator("#region-layer").bounding_box()
    assert layer is not None
    mouse = page.page.mouse
    mouse.move(layer["x"] + 0.1 * layer["width"], layer["y"] + 0.2 * layer["height"])
    mouse.down()
    mouse.move(layer["x"] + 0.5 * layer["width"], layer["y"] + 0.9 * layer["height"], steps=3)
    mouse.up()
    page.page.click("#region-save")
    expect(page.page.locator("#overlay .region")).to_be_visible()
    ((name, roi),) = drawn(watched)
    assert name == "region1"
    assert [float(v) for v in roi.split(",")] == pytest.approx([0.1, 0.2, 0.4, 0.7], abs=0.01)


def drawn(watched: Watched) -> list[tuple[str, str]]:
    """The regions of the door now."""
    return [(region.name, region.roi) for region in watched.service.service.regions("door")]
