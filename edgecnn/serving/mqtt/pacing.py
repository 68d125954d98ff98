"""Which retained messages are due: changes at once, small ones once a second, all of them from time to time."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Content", "Pacing"]

_LATER_S = 1.0  # between two messages of a topic whose content differs a little
_NOTICEABLE = 0.05  # change of a score


@dataclass(frozen=True)
class Content:
    """What a message says, as far as its pacing depends on it."""

    at_once: object  # a change of it is published at once
    later: object = None  # a change of it alone is published after a second
    score: float | None = None  # a change by 0.05 is published after a second

    def differs_a_little(self, other: Content) -> bool:
        """Whether what may wait a second is different."""
        if self.score is None or other.score is None:
            return self.score != other.score or self.later != other.later
        return self.later != other.later or abs(self.score - other.score) >= _NOTICEABLE


@dataclass(frozen=True)
class _Sent:
    content: Content
    at_s: float  # monotonic


class Pacing:
    """Remembers what a connection has been told.

    Args:
        heartbeat_s: seconds after which a message is sent again although nothing has changed.
    """

    def __init__(self, heartbeat_s: float) -> None:
        self._heartbeat_s = heartbeat_s
        self._sent: dict[str, _Sent] = {}

    def due(self, topic: str, content: Content, now_s: float) -> bool:
        """Whether the message is to be sent now; if so, it counts as sent.

        Args:
            topic: of the message.
            content: what it says.
            now_s: monotonic time.
        """
        sent = self._sent.get(topic)
        if sent is not None and not self._news(sent, content, now_s - sent.at_s):
            return False
        self._sent[topic] = _Sent(content, now_s)
        return True

    def gone(self, topics: set[str]) -> set[str]:
        """The topics that have been told and are none of these any more. They are forgotten."""
        gone = set(self._sent) - topics
        for topic in gone:
            del self._sent[topic]
        return gone

    def forget(self) -> None:
        """Makes every message due."""
        self._sent.clear()

    def _news(self, sent: _Sent, content: Content, age_s: float) -> bool:
        if sent.content.at_once != content.at_once or age_s >= self._heartbeat_s:
            return True
        return age_s >= _LATER_S and content.differs_a_little(sent.content)
