"""What waits for a broker that is away is bounded, and no change is lost with a connection."""

from __future__ import annotations

from edgecnn.serving.mqtt.inbox import Inbox
from edgecnn.serving.mqtt.message import Message
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.settings.settings import MqttSettings


def change(number: int) -> Message:
    return Message("t", str(number).encode(), retain=False)


def taken(inbox: Inbox) -> list[int]:
    found = []
    while (message := inbox.next_change()) is not None:
        found.append(int(message.payload))
    return found


def test_unconfirmed_changes_come_first_and_in_order() -> None:
    inbox = Inbox(Topics.of(MqttSettings(url="mqtt://host"), "test"))
    inbox._put(change(3))
    inbox.put_back([change(1), change(2)])
    assert taken(inbox) == [1, 2, 3]


def test_the_newest_changes_are_kept() -> None:
    inbox = Inbox(Topics.of(MqttSettings(url="mqtt://host"), "test"))
    for number in range(500):
        inbox._put(change(number))
    inbox.put_back([change(-1)])
    assert taken(inbox) == list(range(300, 500))
