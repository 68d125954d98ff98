"""The live page in a real Chromium, against the real service."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mjpeg_server import MjpegCamera, jpeg, mjpeg_camera
from page_parts import SERVING, SHADOW_SHA, StandIn
from serving.running import TINY, ask, running
from shapes import shape_image

from edgecnn.manifest import LABELS_KEY, MANIFEST_KEY
from edgecnn.runtime.onnx_file.proto import parse_model
from edgecnn.serving.running import RunningService

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="the page's tests need Chromium")

expect = playwright.expect
SEEDS = {"circle": (0, 1, 7, 8, 9), "square": (1, 3, 4, 5, 9)}  # of shapes that the tiny model is sure of
CIRCLES, SQUARES = ([jpeg(shape_image(name, seed, 64)) for seed in seeds] for name, seeds in SEEDS.items())
HOSTILE = ("<script>alert(1)</script>", "<img src=x onerror=alert(2)>")
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

    page: playwright.Page
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
        expect(self.page.locator("#live-image")).to_be_visible(timeout=10_000)
        self.shows("#decision-label", re.compile("^(circle|square)$"))

    def shows(self, selector: str, text: str | re.Pattern[str], limit_s: float = 10) -> None:
        expect(self.page.locator(selector)).to_have_text(text, timeout=1000 * limit_s)


@dataclass
class Watched:
    """The service that most tests share: its camera and its stand-in parts."""

    service: RunningService
    camera: MjpegCamera
    part: StandIn


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as found:
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
def visit(browser: playwright.Browser) -> Iterator[Callable[..., Visit]]:
    """Opens the page of a service. At the end it had no error, no dialog and no violation of the policy."""
    with contextmanager(_visits)(browser) as opened:
        yield opened


def is_up(service: RunningService) -> bool:
    try:
        return ask(f"{service.url}/healthz").status == 200
    except OSError:
        return False


def _visits(browser: playwright.Browser) -> Iterator[Callable[..., Visit]]:
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


def test_a_source_is_shown_with_its_decision(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.shows("#decision-label", "circle")
    image = page.page.locator("#live-image")
    expect(image).to_be_visible()
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [64, 64]
    page.shows("#overlay", re.compile(r"circle \d+(\.\d)? %"))
    page.shows("#source-state", "live")
    page.shows("#bars li:first-child .label", "circle")
    page.shows("#fact-ep", "cpu")
    page.shows("#fact-hash", watched.service.service.first_model.current.sha256[:12])
    page.shows("#fact-inference", re.compile(r"\d ms"))
    page.shows("#fact-fps", re.compile(r"1[3-7]\.\d /s"))
    page.shows("#fact-age", re.compile(r"\d+ ms"))
    page.shows("#log-list", re.compile("source is live"))
    expect(page.page.locator("#history")).to_have_attribute("aria-label", re.compile(r"mean \d+"))


def test_the_decision_changes_with_the_image(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.shows("#decision-label", "circle")
    page.shows("#announcement", "door: circle")
    watched.camera.frames = SQUARES
    page.shows("#decision-label", "square")
    page.shows("#overlay", re.compile("square"))
    page.shows("#announcement", "door: square")
    page.shows("#log-list li:first-child .what", re.compile("square"))


def test_image_and_decision_are_of_the_same_frame(watched: Watched, visit: Callable[..., Visit]) -> None:
    bright = [shape_image("circle", seed, 64) for seed in SEEDS["circle"]]
    for image in bright:
        image[:6, :6] = 255
    watched.camera.frames = [frame for pair in zip(map(jpeg, bright), SQUARES, strict=True) for frame in pair]
    page = visit(watched.service)
    page.live()
    seen = page.page.evaluate("""async () => {
        const canvas = document.createElement('canvas').getContext('2d');
        const seen = new Map();
        while (seen.size < 20) {
            await new Promise(requestAnimationFrame);
            const image = document.getElementById('live-image');
            canvas.drawImage(image, 0, 0);
            const shape = canvas.getImageData(2, 2, 1, 1).data[1] > 200 ? 'circle' : 'square';
            const overlay = document.getElementById('overlay').innerText.split(' ')[0];
            seen.set(document.getElementById('stage').dataset.frame, [shape, overlay]);
        }
        return [...seen.values()];
    }""")
    assert {shape for shape, _ in seen} == {"circle", "square"}
    assert all(shape == overlay for shape, overlay in seen), seen


def test_the_page_asks_for_ten_images_a_second_at_most(watched: Watched, visit: Callable[..., Visit]) -> None:
    watched.camera.fps = 50
    try:
        page = visit(watched.service)
        page.live()
        asked = []
        page.page.on("request", lambda request: "/image?" in request.url and asked.append(request.url))
        page.page.wait_for_timeout(1000)
        assert 5 <= len(asked) <= 11
        assert page.page.evaluate("openBlobs") <= 2
    finally:
        watched.camera.fps = 15


def test_labels_are_text_and_never_markup(
    parts: Callable[[StandIn], None], tmp_path: Path, visit: Callable[..., Visit]
) -> None:
    hostile = StandIn(serving={**SERVING, "labels": list(HOSTILE), "file": f"{HOSTILE[0]}.onnx"})
    hostile.collect(3)
    hostile.frames[0] |= {"given_label": HOSTILE[0], "reason": HOSTILE[1]}
    hostile.last = {"id": "s", "state": "refused", "sha256": SHADOW_SHA, "reason": HOSTILE[1], "at": "2026-11-28"}
    hostile.try_model()
    assert hostile.shadow is not None
    hostile.shadow["differing"][0]["serving"]["label"] = HOSTILE[0]
    parts(hostile)
    settings = {"models": [{"file": relabelled(tmp_path / "model.onnx")}]}
    with (
        mjpeg_camera(15) as camera,
        running(tmp_path, sources=[{"name": "door", "address": camera.url}], **settings) as s,
    ):
        camera.frames = CIRCLES
        page = visit(s)
        page.shows("#decision-label", HOSTILE[0])
        page.shows("#overlay", re.compile(re.escape(HOSTILE[0])))
        page.shows("#bars li:first-child .label", HOSTILE[0])
        page.shows("#log-list li:first-child .what", re.compile(re.escape(HOSTILE[0])))
        page.shows("#serving-main", re.compile(re.escape(f"{HOSTILE[0]}.onnx")))
        page.shows("#last-main", re.compile(re.escape(HOSTILE[1])))
        page.shows("#differing-main", re.compile(re.escape(HOSTILE[0])))
        page.shows("[data-id=f0] .given", HOSTILE[0])
        assert page.page.locator("main script, main img[src=x]").count() == 0


def relabelled(path: Path) -> Path:
    """The tiny model with class names that are markup."""
    model = parse_model(TINY.read_bytes(), TINY, with_data=True)
    for entry in model.metadata_props:
        if entry.key == MANIFEST_KEY:
            entry.value = json.dumps({**json.loads(entry.value), "labels": HOSTILE})
        elif entry.key == LABELS_KEY:
            entry.value = json.dumps(HOSTILE)
    path.write_bytes(model.SerializeToString())
    return path


def test_an_outage_is_shown_with_its_countdown_and_ends(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.shows("#decision-label", "circle")
    watched.camera.set_fault("closed")
    try:
        page.shows("#source-state", "offline")
        page.shows("#decision-label", "no decision")
        page.shows("#decision-reason", re.compile("offline: "))
        page.shows("#no-bars", re.compile("without a decision"))
        page.shows("#log-list", re.compile("source is offline: "))
        page.shows("#retry", "next attempt in 2 s")
        page.shows("#retry", "next attempt in 1 s", 2)
    finally:
        watched.camera.set_fault(None)
    page.shows("#source-state", "live")
    page.shows("#decision-label", "circle")
    expect(page.page.locator("#offline")).to_be_hidden()


def test_the_page_says_when_the_service_is_away_and_finds_it_again(
    parts: Callable[[StandIn], None], tmp_path: Path, visit: Callable[..., Visit]
) -> None:
    parts(StandIn())
    source = {"name": "door", "address": "fake:320x240@15"}
    with running(tmp_path, sources=[source]) as service:
        port = int(service.url.rpartition(":")[2])
        page = visit(service)
        page.shows("#decision-label", re.compile("circle|square"))
    page.shows("#connection", "not connected")
    page.shows("#banner", re.compile(r"Not connected: .*\s+(Next attempt in \d s|Trying again now)\."))
    page.shows("#decision-label", "no decision")
    page.shows("#decision-reason", "not connected to the service")
    with running(tmp_path, sources=[source], port=port):
        page.shows("#connection", "connected")
        page.shows("#decision-label", re.compile("circle|square"))
        expect(page.page.locator("#banner")).to_be_hidden()
    page.page.goto("about:blank")
    page.forgive("net::ERR_")


def test_the_address_of_a_camera_is_shown_without_its_password(
    parts: Callable[[StandIn], None], tmp_path: Path, visit: Callable[..., Visit]
) -> None:
    parts(StandIn())
    with ExitStack() as stack:
        camera = stack.enter_context(mjpeg_camera(15, password="user:canary"))
        service = stack.enter_context(running(tmp_path, sources=[{"name": "door", "address": camera.url}]))
        page = visit(service)
        page.shows("#fact-address", re.compile("127.0.0.1"))
        page.shows("#source-state", "live")
        assert "canary" not in page.page.content()
        page.page.close()  # it would report that the service is away


def test_regions_and_sources_have_their_own_decisions(
    parts: Callable[[StandIn], None], tmp_path: Path, visit: Callable[..., Visit]
) -> None:
    parts(StandIn())
    halves = [{"name": "left", "roi": "0,0,0.5,1"}, {"name": "right", "roi": "160,0,160,240"}]
    address = "fake:320x240@15"
    sources = [{"name": "door", "address": address, "regions": halves}, {"name": "yard", "address": address}]
    with running(tmp_path, sources=sources) as service:
        page = visit(service)
        page.live()
        for name in ("left", "right"):
            page.shows(f"#view-door\\.{name}-main", re.compile(rf"{name}\s*(circle|square)"))
        boxes = page.page.locator("#overlay .region")
        expect(boxes).to_have_count(2)
        expect(boxes.nth(1)).to_contain_text(re.compile("right(circle|square)"))
        stage = page.page.locator("#stage").bounding_box()
        box = boxes.nth(1).bounding_box()
        assert stage is not None
        assert box is not None
        assert box["x"] - stage["x"] == pytest.approx(stage["width"] / 2, abs=1)
        page.page.click("#source-yard")
        page.shows("#live-title", "yard")
        page.shows("#overlay", re.compile("^(circle|square)"))


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


def test_a_change_without_the_token_asks_for_it(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service, token=None)
    page.shows("#decision-label", "circle")
    page.shows("#access-state", "read-only")
    page.page.click("#rollback-main")
    page.page.click("#confirm-ok")
    page.page.fill("#token-field", "wrong")
    page.page.click("#token-ok")
    page.shows("#token-text", re.compile("did not accept"))
    assert watched.part.asked == []
    page.page.fill("#token-field", watched.service.token)
    page.page.keyboard.press("Enter")
    page.shows("#models-message", "the previous model serves again")
    assert watched.part.asked == [("/api/rollback", None)]
    page.forgive("401")


def test_a_service_that_others_reach_shows_nothing_without_the_token(
    watched: Watched, visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.serving.http.access.is_loopback", lambda host: False)
    page = visit(watched.service, token=None)
    page.shows("#token-text", "The service needs its token.")
    page.page.keyboard.press("Escape")
    page.shows("#banner-reason", "Not connected: the service needs the token.")
    assert page.page.locator("section:visible").count() == 1  # the empty list of events
    page.page.click("#access")
    page.page.fill("#token-field", watched.service.token)
    page.page.click("#token-ok")
    page.shows("#decision-label", "circle")
    expect(page.page.locator("#live-image")).to_be_visible()
    page.forgive("401")


def test_the_token_leaves_the_address_bar(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.shows("#access-state", "token entered")
    assert page.page.url == watched.service.url + "/"
    assert watched.service.token not in page.page.content()
    assert page.page.evaluate("localStorage.length") == 0
    page.page.reload()
    page.shows("#access-state", "token entered")
    page.page.click("#access")
    page.shows("#access-state", "read-only")


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
