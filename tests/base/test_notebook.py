"""Progress in a notebook, as IPython is told of it; test_notebook_html has the answers."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from edgecnn import progress
from edgecnn.errors import MissingExtraError, UsageError
from edgecnn.progress import Notebook


class Display:
    """Plays ``IPython.display``: remembers what each output below the cell shows."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def display(self, data: dict[str, str], **options: Any) -> Any:
        assert options == {"raw": True, "display_id": True}
        self.shown.append(data)
        place, shown = len(self.shown) - 1, self.shown

        class Handle:
            def update(self, data: dict[str, str], *, raw: bool) -> None:
                assert raw
                shown[place] = data

        return Handle()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    played = Display()
    module: Any = ModuleType("IPython.display")
    module.display = played.display
    package: Any = ModuleType("IPython")
    package.get_ipython = lambda: played  # whatever runs the cells
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return played


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    played = Clock()
    monkeypatch.setattr(progress, "time", played)
    return played


def test_each_stage_is_a_bar_and_then_a_line(display: Display, clock: Clock) -> None:
    reporter = Notebook()
    first = reporter.stage("reading images")
    clock.seconds += 1
    first(3, 10, "cat/1.jpg")
    assert [shown["text/html"] for shown in display.shown] == [
        '<div>reading images <progress max="10" value="3"></progress> 3/10 cat/1.jpg</div>'
    ]
    second = reporter.stage("training")
    clock.seconds += 2
    second(5, 5)
    first(9, 10)  # of a stage that is over
    assert [shown["text/html"] for shown in display.shown] == [
        "<div>reading images: cat/1.jpg, 1.0 s</div>",
        "<div>training: 2.0 s</div>",
    ]
    assert [shown["text/plain"] for shown in display.shown] == ["reading images: cat/1.jpg, 1.0 s", "training: 2.0 s"]


def test_names_are_text(display: Display, clock: Clock) -> None:
    report = Notebook().stage("reading <b>")
    clock.seconds += 1
    report(1, 2, "<script>alert(1)</script>")
    assert "<script" not in display.shown[0]["text/html"]
    assert "reading &lt;b&gt;" in display.shown[0]["text/html"]
    assert "&lt;script&gt;" in display.shown[0]["text/html"]


def test_a_bar_is_drawn_a_few_times_a_second(display: Display, clock: Clock) -> None:
    report = Notebook().stage("reading")
    drawn = set()
    for done in range(1000):
        clock.seconds += 0.001
        report(done, 1000)
        drawn.add(display.shown[0]["text/html"])
    assert 4 <= len(drawn) <= 6


def test_the_plan_tells_how_long_all_takes(display: Display, clock: Clock) -> None:
    reporter = Notebook()
    reporter.plan([("a", 1.0), ("b", 3.0)])
    report = reporter.stage("a")
    clock.seconds += 10
    report(1, 2)
    assert "1:10 left of all" in display.shown[0]["text/html"]


def test_without_ipython_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", None)
    with pytest.raises(
        MissingExtraError, match=r"^Notebook\(\) needs IPython.*pip install ipython, or give no reporter$"
    ):
        Notebook()


def test_outside_a_notebook_one_line_says_so(display: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython is there, and its `display` gives nothing that could be drawn again."""
    del display
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: None)
    with pytest.raises(UsageError, match=r"^Notebook\(\) shows progress in a notebook, and this is none"):
        Notebook()
