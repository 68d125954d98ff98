"""report.html: one file that needs nothing else, shows what was measured, and shows a user's words as words."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from plots_left_out import drawn_plots

from edgecnn.errors import OutputError
from edgecnn.evaluation.metrics import compute_metrics, expected_calibration_error, wilson_interval
from edgecnn.training.report import EvaluatedPart, Mistake, ReportInput, write_report
from edgecnn.training.report.intervals import intervals
from edgecnn.training.report.plots import reliability_bins
from edgecnn.training.run.history import EpochRow

DRAWN = pytest.mark.usefixtures("drawn")
NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$\\frac{x}$ & {braces}", "猫咪", "w" * 300]


@pytest.fixture
def drawn() -> Iterator[None]:
    """For a test of what is drawn, or of all that a page holds."""
    with drawn_plots():
        yield


def _report(
    labels: Sequence[str], images: int = 200, epochs: int = 3, skill: float = 2.0, **changes: object
) -> ReportInput:
    """A report of made-up answers, the better the larger ``skill``; what is given replaces a field."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, len(labels), images)
    logits = rng.normal(size=(images, len(labels)))
    logits[np.arange(images), truth] += skill
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    history = [
        EpochRow(i + 1, "head" if i == 0 else "all", 1 / (i + 1), 0.9 / (i + 1), 1 - 0.5 / (i + 1), 1e-3, 2.0, 100.0)
        for i in range(epochs)
    ]
    fields: dict[str, object] = {
        "title": "resnet8 on shapes",
        "facts": [("network", "resnet8")],
        "command": "edgecnn train 'my  data' --lr 0.001",
        "environment": [("seed", "0")],
        "history": history,
        "val": EvaluatedPart(compute_metrics(p, truth.tolist(), labels), p, truth),
        "mistakes": [],
        "skipped": [],
    }
    return ReportInput(**{**fields, **changes})  # type: ignore[arg-type]


def _certain(images: int, right: bool) -> EvaluatedPart:
    """Images of the first class, all answered with 0.9 for the right or the wrong one."""
    p, truth = np.tile([0.9, 0.1], (images, 1)), np.full(images, 0 if right else 1)
    return EvaluatedPart(compute_metrics(p, truth.tolist(), ["a", "b"]), p, truth)


@dataclass(frozen=True)
class Found:
    """As doctor's findings."""

    level: str
    what: str
    where: str
    remedy: str


@dataclass
class Page(HTMLParser):
    """A written report as a browser takes it: its tags, and its words without them."""

    path: Path
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.source = self.path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open_tags:
            self.text += data

    def images(self) -> Iterator[np.ndarray]:
        for tag, attributes in self.tags:
            if tag == "img":
                data = base64.b64decode((attributes["src"] or "").removeprefix("data:image/jpeg;base64,"))
                yield cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _page(tmp_path: Path, report: ReportInput) -> Page:
    write_report(tmp_path / "report.html", report)
    return Page(tmp_path / "report.html")


def _image(path: Path, height: int, width: int, rgb: tuple[int, int, int] = (200, 40, 40)) -> Path:
    cv2.imwrite(str(path), np.full((height, width, 3), rgb[::-1], np.uint8))
    return path


@DRAWN
@pytest.mark.parametrize(("classes", "epochs"), [(2, 0), (2, 1), (2, 200), (6, 2), (7, 1), (30, 1), (31, 0), (1000, 2)])
def test_any_number_of_classes_and_epochs_gives_a_well_formed_page(tmp_path: Path, classes: int, epochs: int) -> None:
    page = _page(tmp_path, _report([f"class {i}" for i in range(classes)], epochs=epochs))
    assert page.open_tags == []
    for svg in re.findall(r"<svg.*?</svg>", page.source, re.DOTALL):
        ET.fromstring(svg)
    assert page.source.count("<svg") == (4 if epochs else 2)


@DRAWN
def test_nothing_is_fetched_from_anywhere(tmp_path: Path) -> None:
    mistakes = [Mistake(_image(tmp_path / "a.png", 30, 30), "cat", "dog", 0.9)]
    page = _page(tmp_path, _report(["cat", "dog"], mistakes=mistakes))
    for _, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page.source))
    assert "@import" not in page.source
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    assert "default-src 'none'" in page.source


@DRAWN
def test_a_users_words_show_as_words_wherever_they_stand(tmp_path: Path) -> None:
    mistakes = [Mistake(tmp_path / "<i>.jpg", NASTY[0], NASTY[1], 0.9)]
    history = [
        EpochRow(1, NASTY[0], 1.0, 1.0, 0.5, 1e-3, 1.0, 1.0),
        EpochRow(2, NASTY[1], 1.0, 1.0, 0.5, 1e-3, 1.0, 1.0),
    ]
    report = _report(
        NASTY,
        title=NASTY[0],
        facts=[(NASTY[0], NASTY[1])],
        command=NASTY[0],
        environment=[(NASTY[0], NASTY[1])],
        findings=[Found("fault", *NASTY[:3])],
        mistakes=mistakes,
        skipped=[(NASTY[0], NASTY[1])],
        history=history,
    )
    page = _page(tmp_path, report)
    assert page.open_tags == []
    assert not {"script", "img", "i"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for label in NASTY:
        assert label in page.text
    assert page.text.count(NASTY[0]) >= 8  # title and heading, matrix twice, classes, mistake, skipped, stage …


@DRAWN
def test_many_classes_with_nasty_names_are_escaped_too(tmp_path: Path) -> None:
    labels = [f"{NASTY[i % len(NASTY)]} {i}" for i in range(40)]
    page = _page(tmp_path, _report(labels, images=2000, skill=0.5))
    assert "Most confused classes" in page.text
    assert not {"script", "img"} & {tag for tag, _ in page.tags}


def test_a_file_name_that_is_no_unicode_does_not_stop_the_report(tmp_path: Path) -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    page = _page(
        tmp_path, _report(["a", "b"], mistakes=[Mistake(tmp_path / name, "a", "b", 0.5)], skipped=[(name, "no image")])
    )
    assert page.text.count("caf\\udce9.jpg") == 2


def test_the_headline_gives_the_figures_and_what_chance_may_have_done(tmp_path: Path) -> None:
    report = _report(["cat", "dog"])
    text = _page(tmp_path, report).text
    metrics, found = report.val.metrics, intervals(report.val)
    assert found.top1 == wilson_interval(round(metrics.top1 * 200), 200)
    for figure in (metrics.top1, metrics.macro_f1, metrics.ece, metrics.nll):
        assert f"{figure:.3f}" in text
    for low, high in (found.top1, found.macro_f1, found.ece, found.nll):
        assert f"{low:.3f} to {high:.3f}" in text
    assert "Top-5" not in text
    assert "of 200 validation images" in text


def test_the_matrix_shows_every_count_up_to_thirty_classes(tmp_path: Path) -> None:
    report = _report([f"class {i}" for i in range(30)], images=900)
    source = _page(tmp_path, report).source
    cells = re.findall(r'<td (?:class="none"|style="[^"]*" title="[^"]*")>(\d+)</td>', source)
    assert tuple(int(c) for c in cells) == sum(report.val.metrics.confusion, ())


def test_above_thirty_classes_the_most_confused_pairs_are_listed_instead(tmp_path: Path) -> None:
    labels = [f"class {i}" for i in range(40)]
    probabilities = np.eye(40)[
        [5] * 7 + [7] * 3 + list(range(40))
    ]  # class 3 taken for 5 seven times, class 4 for 7 three times
    metrics = compute_metrics(probabilities, [3] * 7 + [4] * 3 + list(range(40)), labels)
    page = _page(tmp_path, _report(labels, val=EvaluatedPart(metrics)))
    assert 'class="matrix' not in page.source
    rows = re.findall(
        r'<tr><td class="name">(.*?)</td><td class="name">(.*?)</td><td class="number">(.*?)</td><td class="number">(.*?)</td></tr>',
        page.source,
    )
    assert rows == [("class 3", "class 5", "7", "0.875"), ("class 4", "class 7", "3", "0.750")]


def test_many_classes_all_told_apart_are_said_to_be(tmp_path: Path) -> None:
    labels = [f"class {i}" for i in range(40)]
    page = _page(tmp_path, _report(labels, val=EvaluatedPart(compute_metrics(np.eye(40), range(40), labels))))
    assert "No class was confused with another." in page.text


def test_the_weakest_class_comes_first_and_a_class_never_shown_last(tmp_path: Path) -> None:
    probabilities = np.eye(4)[[0, 0, 1, 1, 0, 0]]
    metrics = compute_metrics(probabilities, [0, 0, 1, 1, 1, 2], ["good", "middling", "never right", "never shown"])
    source = _page(tmp_path, _report(["a", "b"], val=EvaluatedPart(metrics))).source
    table = source[source.index("Classes, the weakest first") :]
    rows = re.findall(r'<td class="name">(.*?)</td><td class="number">(\d+)</td><td class="number">(.*?)</td>', table)
    assert [name for name, _, _ in rows] == ["never right", "good", "middling", "never shown"]
    assert rows[0][2] == rows[-1][2] == "-"


def test_the_reliability_bins_are_those_of_the_calibration_error() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([0.4, 0.4, 0.4], 500)
    p[:3] = [[1, 0, 0], [0.6, 0.4, 0], [1 / 3, 1 / 3, 1 / 3]]  # the edges of bins
    truth = rng.integers(0, 3, 500)
    bins = reliability_bins(p.max(1), p.argmax(1) == truth)
    gap = sum(b.images * abs(b.confidence - b.right / b.images) for b in bins) / 500
    assert gap == pytest.approx(expected_calibration_error(p, truth), abs=1e-12)
    assert sum(b.images for b in bins) == 500
    assert all(b.low <= b.confidence <= b.high for b in bins)


@DRAWN
@pytest.mark.parametrize("images", [1, 6, 11, 20, 21, 22])
@pytest.mark.parametrize("right", [True, False])
def test_bins_that_are_all_right_or_all_wrong_are_drawn(tmp_path: Path, images: int, right: bool) -> None:
    """There the interval ends at the share itself, give or take a rounding, and matplotlib refuses a whisker of negative length."""
    page = _page(tmp_path, _report(["a", "b"], epochs=0, val=_certain(images, right)))
    assert page.source.count("<svg") == 2


def test_mistakes_show_the_image_in_its_colours_and_the_words_beside_it(tmp_path: Path) -> None:
    path = _image(tmp_path / "photo.png", 300, 600, rgb=(200, 40, 90))
    page = _page(tmp_path, _report(["cat", "dog"], mistakes=[Mistake(path, "the truth", "the answer", 0.876)]))
    (image,) = page.images()
    assert image.shape == (80, 160, 3)
    assert np.abs(image.astype(int) - (200, 40, 90)).max() < 8
    for word in ("photo.png", "the truth", "the answer", "0.88"):
        assert word in page.text


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (1, 3000), (3000, 1), (160, 160), (161, 159)])
def test_an_image_of_any_shape_becomes_a_thumbnail_of_at_most_160_pixels(tmp_path: Path, size: tuple[int, int]) -> None:
    page = _page(tmp_path, _report(["a", "b"], mistakes=[Mistake(_image(tmp_path / "p.png", *size), "a", "b", 0.5)]))
    (image,) = page.images()
    assert max(image.shape) <= 160
    (shown,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert max(int(shown["width"] or 0), int(shown["height"] or 0)) <= 160


def test_an_image_that_is_gone_or_broken_is_shown_as_its_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    mistakes = [Mistake(tmp_path / "gone.jpg", "a", "b", 0.9), Mistake(broken, "a", "b", 0.8)]
    page = _page(tmp_path, _report(["a", "b"], mistakes=mistakes))
    assert list(page.images()) == []
    assert "gone.jpg" in page.text
    assert "broken.jpg" in page.text
    assert page.text.count("cannot be read any more") == 2


def test_the_worst_24_mistakes_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    path = _image(tmp_path / "p.png", 8, 8)
    page = _page(tmp_path, _report(["a", "b"], mistakes=[Mistake(path, "a", "b", 1 - i / 100) for i in range(30)]))
    assert len(list(page.images())) == 24
    assert "30 in all, the worst 24 shown" in page.text
    assert "0.77" in page.text  # the 24th
    assert "0.76" not in page.text[page.text.index("Worst mistakes") :]


def test_nothing_wrong_and_nothing_skipped_are_said_in_words(tmp_path: Path) -> None:
    text = _page(tmp_path, _report(["a", "b"], skill=20)).text
    assert "every validation image was classified correctly" in text
    assert "every image could be read" in text


def test_facts_and_skipped_images_are_all_there(tmp_path: Path) -> None:
    skipped = [(f"cat/{i}.jpg", f"reason {i}") for i in range(300)]
    text = _page(tmp_path, _report(["a", "b"], skipped=skipped)).text
    assert "Skipped images (300)" in text
    assert all(word in text for pair in skipped for word in pair)
    assert "edgecnn train 'my  data' --lr 0.001" in text  # two spaces: the command can be copied


@DRAWN
def test_every_plot_has_words_for_who_cannot_see_it(tmp_path: Path) -> None:
    page = _page(tmp_path, _report(["a", "b"]))
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) == 4
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)


@DRAWN
def test_losses_that_are_no_numbers_do_not_stop_the_report(tmp_path: Path) -> None:
    history = [EpochRow(i, "all", 1.0, float("nan"), 0.5, 1e-3, 1.0, 1.0) for i in (1, 2)]
    assert _page(tmp_path, _report(["a", "b"], history=history)).open_tags == []


@DRAWN
def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    first = _page(tmp_path, _report(["a", "b"])).source
    assert _page(tmp_path, _report(["a", "b"])).source == first


@DRAWN
def test_plotting_leaves_matplotlibs_settings_as_they_were(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    _page(tmp_path, _report(["a", "b"]))
    assert dict(mpl.rcParams) == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="file"):
        write_report(tmp_path / "file" / "report.html", _report(["a", "b"]))


def test_with_five_classes_the_first_five_answers_count_too(tmp_path: Path) -> None:
    report = _report([f"class {i}" for i in range(8)], skill=0.5)
    found = intervals(report.val)
    text = _page(tmp_path, report).text
    assert "Top-5" in text
    assert f"{report.val.metrics.top5:.3f}" in text
    assert found.top5 == wilson_interval(round(report.val.metrics.top5 * 200), 200)


def test_intervals_hold_their_figures_and_narrow_with_more_images() -> None:
    for labels in (["a", "b"], [f"class {i}" for i in range(10)]):
        few, many = (_report(labels, images=n, skill=1.0).val for n in (60, 6000))
        for name in ("top1", "macro_f1", "nll", "ece"):
            (low, high), (low_of_many, high_of_many) = getattr(intervals(few), name), getattr(intervals(many), name)
            assert low <= getattr(few.metrics, name) <= high
            assert low_of_many <= getattr(many.metrics, name) <= high_of_many
            assert high_of_many - low_of_many < (high - low) / 3


def test_a_bootstrapped_interval_covers_what_many_images_would_give() -> None:
    """Of 40 samples of 100 images from one source, most of the intervals hold the figure of 20,000 images."""
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 20_000)
    logits = rng.normal(size=(20_000, 3))
    logits[np.arange(20_000), truth] += 1.0
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    known = compute_metrics(p, truth.tolist(), ["a", "b", "c"])
    held = {"macro_f1": 0, "nll": 0}
    for i in range(40):
        part = slice(100 * i, 100 * i + 100)
        found = intervals(
            EvaluatedPart(compute_metrics(p[part], truth[part].tolist(), ["a", "b", "c"]), p[part], truth[part])
        )
        for name in held:
            low, high = getattr(found, name)
            held[name] += low <= getattr(known, name) <= high
    assert min(held.values()) >= 33


def test_no_mistake_among_a_few_images_is_no_proof_of_perfection() -> None:
    found = intervals(_certain(20, right=True))
    assert found.macro_f1 == found.top1
    assert found.top1[0] < 0.9


def test_test_images_have_their_figures_where_there_are_any(tmp_path: Path) -> None:
    other = _report(["a", "b"], images=50, skill=0.3).val
    page = _page(tmp_path, _report(["a", "b"], test=other))
    assert "of 50 test images" in page.text
    assert f"{other.metrics.top1:.3f}" in page.text
    assert "test images" not in _page(tmp_path, _report(["a", "b"])).text
    low, high = wilson_interval(round(other.metrics.top1 * 50), 50)
    bare = _page(tmp_path, _report(["a", "b"], test=EvaluatedPart(other.metrics))).text
    assert f"{low:.3f} to {high:.3f}" in bare


def test_findings_come_the_gravest_first_with_place_and_remedy(tmp_path: Path) -> None:
    findings = [
        Found("note", "copies", "a/1.jpg", ""),
        Found("fault", "one class", "data", "add another"),
        Found("warning", "small class", "b", "add"),
    ]
    text = _page(tmp_path, _report(["a", "b"], findings=findings)).text
    assert text.index("one class") < text.index("small class") < text.index("copies")
    assert "add another" in text
    assert "No problems found" in _page(tmp_path, _report(["a", "b"], findings=[])).text
    assert "What the images tell" not in _page(tmp_path, _report(["a", "b"])).text


def test_a_mistake_lies_beside_the_map_of_what_it_rests_on(tmp_path: Path) -> None:
    path = _image(tmp_path / "p.png", 100, 200)
    evidence = np.full((160, 320, 3), (10, 200, 10), np.uint8)
    page = _page(tmp_path, _report(["a", "b"], mistakes=[Mistake(path, "a", "b", 0.9, evidence)]))
    image, shown = page.images()
    assert image.shape[:2] == shown.shape[:2] == (80, 160)
    assert np.abs(shown.astype(int) - (10, 200, 10)).max() < 12
    assert "Grad-CAM" in page.text
    assert "Grad-CAM" not in _page(tmp_path, _report(["a", "b"], mistakes=[Mistake(path, "a", "b", 0.9)])).text
