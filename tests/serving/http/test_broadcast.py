"""Events reach the clients through bounded queues."""

from __future__ import annotations

import asyncio
import json

from edgecnn.serving.engine.events import SourceChanged
from edgecnn.serving.engine.hub import Hub
from edgecnn.serving.http.broadcast import Broadcast


def event(name: str) -> SourceChanged:
    return SourceChanged(name, up=True, reason=None, retry_in_s=None, at="", first=True)


def test_a_client_that_is_behind_loses_the_oldest_events_and_hears_the_end() -> None:
    async def listen() -> None:
        hub = Hub()
        broadcast = Broadcast(hub)
        broadcast.open()
        client = broadcast.add()
        for number in range(1500):  # while the loop is busy
            hub.publish(event(str(number)))
        heard = await client.take(10)
        assert [(kind, json.loads(text)["source"]) for kind, text in heard] == [
            ("source", str(number)) for number in range(1400, 1500)
        ]
        assert await client.take(0.01) == []
        broadcast.close()
        hub.publish(event("late"))
        assert [kind for kind, _ in await client.take(10)] == ["end"]

    asyncio.run(listen())
