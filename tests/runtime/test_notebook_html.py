"""What a notebook shows of an answer. Labels are texts of somebody else's."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from shapes import shape_image

from edgecnn import Classifier, Prediction, Score


@pytest.fixture(scope="module")
def prediction(tiny_model: Path) -> Prediction:
    with Classifier(tiny_model, ep="cpu") as classifier:
        return classifier(shape_image("circle", 1, 64))


class Read(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.values: list[float] = []
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values += [float(value or 0) for name, value in attrs if name == "value"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_answer_shows_its_label_and_a_bar_for_each_class(prediction: Prediction) -> None:
    shown = Read(prediction._repr_html_())
    assert shown.text.startswith(f"{prediction.label} ({prediction.score:.2f})")
    assert shown.values == [pytest.approx(one.score, abs=1e-4) for one in prediction.top]
    assert len(shown.values) == 2
    assert prediction.model_sha256[:12] in shown.text


def test_a_label_is_shown_as_text_whatever_it_holds(prediction: Prediction) -> None:
    label = "<script>alert('x')</script>"
    harmful = replace(
        prediction, label=label, source='<img src="x">', reason="<b>", top=(Score(label, 0.9), Score("&amp;", 0.1))
    )
    shown = Read(harmful._repr_html_())
    assert not {"script", "img", "b"} & set(shown.tags)
    assert shown.text.count(label) == 2
    assert "&amp;" in shown.text
    assert '<img src="x">' in shown.text


def test_no_decision_says_why(prediction: Prediction) -> None:
    none = replace(prediction, status="no_decision", reason="black frame", label=None, index=None, score=None, top=())
    shown = Read(none._repr_html_())
    assert shown.text.startswith("no decision: black frame")
    assert "table" not in shown.tags
