"""Which frames are chosen, and that a source gives at most one in an interval."""

from __future__ import annotations

from typing import Any

import pytest
from serving.collect.made_frames import decided

from edgecnn.serving.collect.candidate import Candidate
from edgecnn.serving.collect.reasons import FrameChooser
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.settings.settings import CollectSettings

LABELS = {"main": ("cat", "dog"), "second": ("dog", "cat"), "third": ("cat", "cow")}


def chooser(models: tuple[str, ...] = ("main",), clock: Any = None, **settings: Any) -> FrameChooser:
    given = CollectSettings.model_validate({"min_interval_s": 0, "uncertain_below": 0.8, **settings})
    return FrameChooser(given, {"door": models, "gate": models}, LABELS.__getitem__, clock or (lambda: 0.0))


def reasons(chooser: FrameChooser, *decisions: Decided) -> list[str | None]:
    found = [chooser.decided(decision) for decision in decisions]
    return [None if candidate is None else candidate.reason for candidate in found]


def test_a_sure_frame_is_not_kept() -> None:
    assert reasons(chooser(), decided("cat", 0.99, 1), decided("cat", 0.8, 2)) == [None, None]


def test_a_low_score_is_uncertain() -> None:
    assert reasons(chooser(), decided("cat", 0.79)) == ["uncertain"]


def test_a_small_margin_is_uncertain_whatever_the_score() -> None:
    found = reasons(
        chooser(uncertain_below=0.1), decided("cat", 0.45, 1, second=0.4), decided("cat", 0.45, 2, second=0.2)
    )
    assert found == ["uncertain", None]


def test_a_rejected_frame_is_unknown() -> None:
    assert reasons(chooser(), decided(None, 0.3)) == ["unknown"]


def test_a_changed_decision_is_kept_and_the_first_one_is_no_change() -> None:
    found = reasons(chooser(), decided("cat", 0.99, 1), decided("dog", 0.99, 2), decided("dog", 0.99, 3))
    assert found == [None, "changed", None]


def test_frames_without_a_decision_are_never_kept_and_change_nothing() -> None:
    unfit = decided("cat", 0.1, 2, status="no_decision")
    away = decided("cat", 0.1, 2, status="no_decision", frame=False)
    failed = decided("cat", 0.1, 3, status="error")
    assert reasons(chooser(), decided("cat", 0.9, 1), unfit, away, failed, decided("cat", 0.9, 4)) == [None] * 5


def test_models_of_the_same_classes_that_answer_otherwise_disagree() -> None:
    found = chooser(("main", "second"))
    assert found.decided(decided("cat", 0.99)) is None
    kept = found.decided(decided("dog", 0.99, model="second"))
    assert isinstance(kept, Candidate)
    assert (kept.reason, kept.model, kept.prediction.label) == ("disagreement", "main", "cat")
    assert [(other.model, other.label) for other in kept.others] == [("second", "dog")]


def test_models_of_other_classes_do_not_disagree() -> None:
    found = reasons(chooser(("main", "third")), decided("cat", 0.99), decided("cow", 0.99, model="third"))
    assert found == [None, None]


def test_views_are_apart() -> None:
    left, right = decided("cat", 0.99, view="door.left"), decided("dog", 0.99, view="door.right")
    assert reasons(chooser(), left, right) == [None, None]


def test_the_rarest_reason_is_named() -> None:
    assert reasons(chooser(), decided("cat", 0.99, 1), decided("dog", 0.5, 2)) == [None, "changed"]
    only = chooser(when=("uncertain",))
    assert reasons(only, decided("cat", 0.99, 1), decided("dog", 0.5, 2), decided("cat", 0.9, 3)) == [
        None,
        "uncertain",
        None,
    ]


def test_a_source_gives_one_frame_in_an_interval_whatever_its_views() -> None:
    now = [100.0]
    found = chooser(min_interval_s=1.0, clock=lambda: now[0])
    assert reasons(found, decided(None, 0.3, 1, view="door.left"), decided(None, 0.3, 1, view="door.right")) == [
        "unknown",
        None,
    ]
    assert reasons(found, decided(None, 0.3, 1, view="gate")) == ["unknown"]
    now[0] += 0.99
    assert reasons(found, decided(None, 0.3, 2, view="door.left")) == [None]
    now[0] += 0.02
    assert reasons(found, decided(None, 0.3, 3, view="door.left")) == ["unknown"]


def test_a_shadow_that_disagrees_is_heard() -> None:
    serving, shadow = decided("cat", 0.9), decided("dog", 0.9, model="new")
    assert serving.frame is not None
    kept = chooser().disagreed(serving.frame, "door.left", "main", serving.prediction, shadow.prediction)
    assert kept is not None
    assert (kept.source, kept.view, kept.reason, kept.others[0].sha256) == ("door", "door.left", "disagreement", "new")


@pytest.mark.parametrize("case", ["no such source", "not wanted", "no decision"])
def test_a_shadow_is_not_heard_where_nothing_is_to_be_kept(case: str) -> None:
    found = chooser(when=("unknown",)) if case == "not wanted" else chooser()
    view = "api" if case == "no such source" else "door"
    shadow = decided("dog", 0.9, status="no_decision" if case == "no decision" else None)
    serving = decided("cat", 0.9)
    assert serving.frame is not None
    assert found.disagreed(serving.frame, view, "main", serving.prediction, shadow.prediction) is None
