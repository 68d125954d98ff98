"""Which messages are due."""

from __future__ import annotations

from edgecnn.serving.mqtt.pacing import Content, Pacing


def test_changes_are_due_at_once_and_small_ones_after_a_second() -> None:
    pacing = Pacing(heartbeat_s=5.0)
    assert pacing.due("t", Content("cat", None, 0.9), 0.0)
    assert not pacing.due("t", Content("cat", None, 0.5), 0.9), "a score may wait"
    assert pacing.due("t", Content("cat", None, 0.5), 1.0)
    assert not pacing.due("t", Content("cat", None, 0.54), 3.0), "too small"
    assert pacing.due("t", Content("dog", None, 0.54), 3.1), "a label may not wait"
    assert not pacing.due("t", Content("dog", "reason", 0.54), 3.2)
    assert pacing.due("t", Content("dog", "reason", 0.54), 4.2)


def test_what_does_not_change_is_sent_again() -> None:
    pacing = Pacing(heartbeat_s=5.0)
    content = Content("cat")
    assert pacing.due("t", content, 0.0)
    assert not pacing.due("t", content, 4.9)
    assert pacing.due("t", content, 5.0)
    pacing.forget()
    assert pacing.due("t", content, 5.1), "a new connection knows nothing"


def test_a_topic_that_is_gone_is_told_once() -> None:
    pacing = Pacing(heartbeat_s=5.0)
    pacing.due("a", Content(1), 0.0)
    pacing.due("b", Content(1), 0.0)
    assert pacing.gone({"a"}) == {"b"}
    assert pacing.gone({"a"}) == set()
