"""What a message repeats of what somebody sent."""

from __future__ import annotations

from edgecnn.error_text import shortened


def test_what_is_repeated_is_short_and_printable() -> None:
    assert shortened("belt") == "belt"
    assert shortened("a\nb\ud800") == "a\\nb\\ud800"
    assert shortened("x" * 61) == "x" * 60 + "…"
