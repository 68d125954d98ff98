"""States on the broker: retained, never stale, there again after every outage."""

from __future__ import annotations

import itertools
import signal
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from serving.mqtt.listener import Heard, listening
from serving.mqtt.mosquitto import Mosquitto, mosquitto, needs_mosquitto
from serving.running import TINY, running, serving
from waiting import until

from edgecnn.serving.engine.events import Decided
from edgecnn.serving.running import RunningService

pytestmark = needs_mosquitto

FAKE = {"name": "door", "address": "fake:320x240@30"}
STATE, EVENT, STATUS = "edgecnn/test/door/main/state", "edgecnn/test/door/main/event", "edgecnn/test/status"
KEYS = {"label", "score", "status", "reason", "since", "model_sha256"}


def has(**values: Any) -> Any:
    """Whether a message's JSON has these values."""
    return lambda heard: heard.payload and all(heard.json[key] == value for key, value in values.items())


def test_a_late_subscriber_gets_state_and_status_at_once(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as service,
    ):
        with listening(broker.port) as first:
            first.wait(STATE, has(status="ok"))
        with listening(broker.port) as late:
            state = late.wait(STATE)
            assert state.retained
            assert set(state.json) == KEYS
            assert state.json["label"] in service.service.first_model.current.labels
            assert state.json["model_sha256"] == service.service.first_model.current.sha256
            assert (late.wait(STATUS).payload, late.wait(STATUS).retained) == (b"online", True)
            assert not [heard for heard in late.heard if heard.topic.endswith("/event") and heard.retained]


def test_the_state_of_a_region_has_a_level_of_its_own(tmp_path: Path) -> None:
    source = {**FAKE, "regions": [{"name": "left", "roi": "0,0,0.5,1"}]}
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[source], mqtt={"url": broker.url}),
        listening(broker.port) as listener,
    ):
        assert listener.wait("edgecnn/test/door.left/main/state", has(status="ok")).json["region"] == "left"


def test_a_region_that_is_gone_leaves_nothing_behind(tmp_path: Path) -> None:
    from edgecnn.serving.settings.settings import RegionSettings

    with mosquitto(tmp_path / "broker") as broker:
        with listening(broker.port) as earlier:  # what a run with another source has left there
            earlier.say("edgecnn/test/gone/main/state", '{"label": "cat"}', retain=True)
        # The listener first: it has to hear what the service clears at its start
        with listening(broker.port) as listener, running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as service:
            listener.wait(STATE, has(status="ok"))
            service.service.draw_regions("door", [RegionSettings(name="left", roi="0,0,0.5,1")])
            listener.wait("edgecnn/test/door.left/main/state", has(status="ok"))
            listener.wait(STATE, lambda heard: heard.payload == b"")
            listener.wait("edgecnn/test/gone/main/state", lambda heard: heard.payload == b"")
            discovery = listener.of("homeassistant/device/edgecnn_test/config")[-1].json["cmps"]
            assert discovery["door.main.state"] == {"p": "sensor"}, "that removes the entity"
        with listening(broker.port) as late:
            late.wait(STATUS)
            late.wait("edgecnn/test/door.left/main/state")
            assert not late.of(STATE)
            assert not late.of("edgecnn/test/gone/main/state")


def changing(service: RunningService) -> list[Decided]:
    return [e for e in service.service.log if isinstance(e, Decided) and e.changed]


def test_every_change_is_an_event_and_a_score_is_no_message_per_frame(tmp_path: Path) -> None:
    source = {"name": "door", "address": "fake:320x240@30,outage=60"}
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[source], mqtt={"url": broker.url}) as service,
        listening(broker.port) as listener,
    ):
        listener.wait(EVENT, has(status="no_decision"))
        changes = changing(service)
        assert len(changes) >= 2
        until(lambda: len(listener.of(EVENT)) >= len(changes) - 1)  # the first may be older than the subscription
        assert not any(heard.retained for heard in listener.of(EVENT))
        frames = service.service.sources["door"].status().frames
        assert len(listener.of(STATE)) < frames / 3
        reason = listener.wait("edgecnn/test/door/problem", has(problem=True)).json["reason"]
        assert reason


def test_after_a_kill_the_last_will_says_offline(tmp_path: Path) -> None:
    config = tmp_path / "edgecnn.toml"
    with mosquitto(tmp_path / "broker") as broker:
        config.write_text(
            f'device = "test"\nstate_dir = "state"\n[[models]]\nfile = "{TINY}"\n[[sources]]\nname = "door"\n'
            f'address = "fake:320x240@10"\n[mqtt]\nurl = "{broker.url}"\n'
        )
        with listening(broker.port) as listener:
            with serving("--config", config) as service:
                listener.wait(STATE, has(status="ok"))
                assert listener.of(STATUS)[-1].payload == b"online"
                service.stop(signal.SIGKILL)
            listener.wait(STATUS, lambda heard: heard.payload == b"offline")
            assert listener.of(STATE)[-1].json["status"] == "ok", "nobody was left to change it"
            before = len(listener.of(STATE))
            with serving("--config", config) as service:
                listener.wait(STATUS, lambda heard: heard.payload == b"online", after=2)
                assert listener.wait(STATE, after=before).json["status"] == "no_decision", (
                    "the old state does not stand"
                )
                listener.wait(STATE, has(status="ok"), after=before)
                assert service.stop() == 0
            listener.wait(STATUS, lambda heard: heard.payload == b"offline", after=3)
            assert has(status="no_decision", label=None)(listener.of(STATE)[-1]), "a stopped service decides nothing"


def test_a_broker_that_starts_late_or_again_has_the_state_again(tmp_path: Path, caplog: Any) -> None:
    broker = Mosquitto(tmp_path / "broker")
    try:
        with running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as service:
            until(lambda: "cannot be reached" in caplog.text)
            frames = service.service.sources["door"].status().frames
            until(lambda: service.service.sources["door"].status().frames > frames + 10)
            broker.start()
            with listening(broker.port) as listener:
                listener.wait(STATE, has(status="ok"))
            broker.kill()
            until(lambda: "the connection has ended" in caplog.text)
            broker.start()
            with listening(broker.port) as listener:
                listener.wait(STATE, has(status="ok"))
                listener.wait(STATUS, lambda heard: heard.payload == b"online")
        lines = [record.getMessage() for record in caplog.records]
        assert sum("works again" in line for line in lines) == 2
        assert sum("cannot be reached" in line for line in lines) <= 2, "once an outage"
    finally:
        broker.kill()


def test_a_state_that_gets_too_old_becomes_no_decision_by_itself(tmp_path: Path) -> None:
    age_s = 1.0
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}, max_state_age_s=age_s) as service,
        listening(broker.port) as listener,
    ):
        listener.wait(STATE, has(status="ok"))
        service.service.stop()  # no further frame, and nobody says why
        stopped_s = time.monotonic()
        stale = listener.wait(STATE, lambda heard: (heard.json["reason"] or "").startswith("stale"))
        assert stale.json["status"] == "no_decision"
        assert (stale.json["label"], stale.json["score"]) == (None, None)
        assert stale.at_s - stopped_s < age_s + 5
        listener.wait(EVENT, has(status="no_decision"))
        many: list[Heard] = until(lambda: len(found := listener.of(STATE)) >= 6 and found)
        gaps = [b.at_s - a.at_s for a, b in itertools.pairwise(many)]
        # The median: on a busy machine, a single message may be late
        assert statistics.median(gaps) < age_s, "sent again before a listener takes it for outdated"
        assert len(listener.of(EVENT)) <= 2, "sent again is no change"


def test_the_will_of_a_lost_connection_does_not_stay(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}),
        listening(broker.port) as listener,
    ):
        listener.wait(STATUS)
        listener.say(STATUS, "offline", retain=True)  # as the broker does when it misses an old connection late
        listener.wait(STATUS, lambda heard: heard.payload == b"offline")
        until(lambda: listener.of(STATUS)[-1].payload == b"online")


def test_a_broker_that_hangs_holds_nothing_up(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker:
        with running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as service:
            with listening(broker.port) as listener:
                listener.wait(STATE, has(status="ok"))
            broker.signal(signal.SIGSTOP)
            decided = until(lambda: changing(service))[-1]
            frames = service.service.sources["door"].status().frames
            begun_s = time.monotonic()
            for _ in range(3000):
                service.service.hub.publish(decided)
            assert time.monotonic() - begun_s < 10
            until(lambda: service.service.sources["door"].status().frames > frames + 20)
            threads = [thread for thread in threading.enumerate() if thread.name == "edgecnn-mqtt"]
            begun_s = time.monotonic()
        assert time.monotonic() - begun_s < 10, "nor the end"
        assert not any(thread.is_alive() for thread in threads)
