"""Home Assistant's discovery.

``test_home_assistant_itself_accepts_the_message`` holds the message against the schemas of the package `homeassistant`,
where ``scripts/install_home_assistant`` could install it. The other tests hold it field by field against its
documentation (MQTT: discovery, sensor, binary sensor, update).
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pytest
from serving.mqtt.listener import listening
from serving.mqtt.mosquitto import mosquitto, needs_mosquitto
from serving.running import MODELS, TINY, ask, running
from waiting import until

from edgecnn.errors import UsageError
from edgecnn.serving.engine.events import SwapChanged
from edgecnn.serving.engine.latest import StateKey
from edgecnn.serving.mqtt.discovery import UNRECOGNIZED, Entities, discovery_values, version_of
from edgecnn.serving.mqtt.part import MqttPart
from edgecnn.serving.mqtt.topics import Topics
from edgecnn.serving.settings.settings import MqttSettings

ROOT = Path(__file__).parents[3]
HOME_ASSISTANT = ROOT / ".home-assistant"
CONFIG = "homeassistant/device/edgecnn_test/config"
FAKE = {"name": "door", "address": "fake:320x240@30"}
TOPICS = Topics.of(MqttSettings(url="mqtt://broker"), "test")
WHOLE, LEFT = StateKey("door", "main"), StateKey("door.left", "main")
LABELS = ["cat", "unknown", 'it\'s {{ a }} "label"', "None"]


def message(removed: dict[str, str] | None = None) -> dict[str, Any]:
    entities = Entities({WHOLE: LABELS, LEFT: ["cat"]}, ["door"], {"main": version_of("a" * 64), "other": None})
    values = discovery_values(TOPICS, "test", 10.0, entities, removed or {})
    return json.loads(json.dumps(values))


def state(status: str, label: str | None = None) -> dict[str, Any]:
    return {"label": label, "score": None, "status": status, "reason": None, "since": "", "model_sha256": ""}


STATES: list[tuple[str, dict[str, Any], str]] = [
    ("door.main.state", state("ok", "cat"), "cat"),
    ("door.main.state", state("ok", "unknown"), "class unknown"),
    ("door.main.state", state("ok", "None"), "class None"),
    ("door.main.state", state("ok", LABELS[2]), LABELS[2]),
    ("door.main.state", state("unknown"), UNRECOGNIZED),
    ("door.main.state", state("no_decision"), "None"),
    ("door.main.state", state("error"), "None"),
    ("door.left.main.state", state("ok", "cat"), "cat"),
    ("door.problem", {"problem": True, "reason": "offline"}, "ON"),
    ("door.problem", {"problem": False, "reason": None}, "OFF"),
]


@pytest.mark.skipif(
    not (HOME_ASSISTANT / "installed").exists(), reason="Home Assistant is missing; scripts/install_home_assistant"
)
def test_home_assistant_itself_accepts_the_message() -> None:
    states = [(name, values) for name, values, _ in STATES]
    update = ("main.update", {"installed_version": version_of("a" * 64), "latest_version": version_of("b" * 64)})
    given = json.dumps({"discovery": message({"gone": "sensor"}), "states": [*states, update]})
    command = [HOME_ASSISTANT / "bin" / "python", "-W", "ignore", Path(__file__).with_name("home_assistant.py")]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == [*(shown for *_, shown in STATES), None]


def test_the_message_has_what_the_documentation_wants() -> None:
    found = message()
    assert found["dev"]["ids"], "mandatory"
    assert found["o"]["name"], "mandatory"
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", TOPICS.discovery)
    assert found["availability"] == [{"topic": "edgecnn/test/status"}]
    ids = [component["unique_id"] for component in found["cmps"].values()]
    assert len(set(ids)) == len(ids)
    for component in found["cmps"].values():
        assert component["p"] in {"sensor", "binary_sensor", "update"}
        assert re.fullmatch(rf"{component['p']}\.[a-z0-9_]+", component["default_entity_id"])
        assert "object_id" not in component, "removed in 2026.4"
        assert component["qos"] == 1
        assert component["state_topic"]


def test_a_sensor_is_an_enum_of_the_labels() -> None:
    sensor = message()["cmps"]["door.main.state"]
    assert (sensor["device_class"], sensor["expire_after"]) == ("enum", 10)
    assert sensor["options"] == ["cat", "class unknown", LABELS[2], "class None", UNRECOGNIZED]
    assert sensor["json_attributes_topic"] == sensor["state_topic"] == "edgecnn/test/door/main/state"
    assert not {"state_class", "unit_of_measurement"} & set(sensor), "not allowed beside options"
    assert message()["cmps"]["door.problem"]["device_class"] == "problem"


@pytest.mark.parametrize(("entity", "values", "shown"), STATES)
def test_what_a_template_shows_is_an_option(entity: str, values: dict[str, Any], shown: str) -> None:
    component = message()["cmps"][entity]
    rendered = jinja2.Environment().from_string(component["value_template"]).render(value_json=values)
    assert rendered.strip() == shown
    assert shown in component.get("options", ["ON", "OFF"]) or shown == "None"


def test_versions_are_no_numbers() -> None:
    """Of two numbers, Home Assistant shows no update where the waiting one is smaller."""
    assert version_of("0123456789" * 6 + "abcd") == "sha256:012345678901"


def test_an_entity_that_is_gone_is_removed() -> None:
    assert message({"door.right.main.state": "sensor"})["cmps"]["door.right.main.state"] == {"p": "sensor"}


@dataclass(frozen=True)
class FakeSwap:
    id: str
    model: str
    sha256: str


class FakeUpdates:
    """Swaps of which one waits when the test says so."""

    def __init__(self) -> None:
        self.sha256: str | None = None
        self.accepted: list[tuple[str, str | None]] = []
        self.error: UsageError | None = None

    @property
    def waiting(self) -> list[FakeSwap]:
        return [] if self.sha256 is None else [FakeSwap("7", "main", self.sha256)]

    def accept(self, model: str, swap_id: str | None = None) -> None:
        if self.error is not None:
            raise self.error
        self.accepted.append((model, swap_id))
        self.sha256 = None


@needs_mosquitto
def test_home_assistant_comes_back_and_gets_the_message_again(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as service,
    ):
        with listening(broker.port) as listener:
            first = listener.wait(CONFIG)
            labels = service.service.first_model.current.labels
            assert first.json["cmps"]["door.main.state"]["options"] == [*labels, UNRECOGNIZED]
            versions = listener.wait("edgecnn/test/models/main/update").json
            sha256 = service.service.first_model.current.sha256
            assert versions == {"installed_version": f"sha256:{sha256[:12]}", "latest_version": f"sha256:{sha256[:12]}"}
            known = len(listener.of(CONFIG))
            listener.say("homeassistant/status", "online")
            assert listener.wait(CONFIG, after=known).payload == first.payload
        with listening(broker.port) as late:
            assert late.wait(CONFIG).retained


@needs_mosquitto
def test_without_discovery_nothing_is_announced(tmp_path: Path) -> None:
    mqtt = {"discovery": False}
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url, **mqtt}),
        listening(broker.port) as listener,
    ):
        listener.wait("edgecnn/test/door/main/state", lambda heard: heard.json["status"] == "ok")
        assert not [heard for heard in listener.heard if heard.topic.startswith("homeassistant/")]


@needs_mosquitto
def test_a_model_that_waits_is_accepted_by_the_update_entity(tmp_path: Path) -> None:
    swap = {"mode": "confirm", "shadow_frames": 3}
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], swap=swap, mqtt={"url": broker.url}) as service,
        listening(broker.port) as listener,
    ):
        entity = listener.wait(CONFIG).json["cmps"]["main.update"]
        sent = ask(f"{service.url}/api/models", body=(MODELS / "tiny.int8.onnx").read_bytes(), token=service.token)
        assert sent.status == 202, sent.json
        new = f"sha256:{sent.json['sha256'][:12]}"
        listener.wait(entity["state_topic"], lambda heard: heard.json["latest_version"] == new)
        # The command names the version that was shown, so that a later file is not accepted by mistake
        shown = listener.wait(CONFIG, lambda heard: new in heard.json["cmps"]["main.update"]["payload_install"])
        listener.say(entity["command_topic"], shown.json["cmps"]["main.update"]["payload_install"])
        listener.wait(entity["state_topic"], lambda heard: heard.json["installed_version"] == new)
        assert service.service.first_model.current.sha256 == sent.json["sha256"]


@needs_mosquitto
def test_the_update_entity_accepts_the_model_that_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mosquitto(tmp_path / "broker") as broker, running(tmp_path, sources=[FAKE]) as running_service:
        service, updates = running_service.service, FakeUpdates()
        part = MqttPart(service, MqttSettings(url=broker.url), updates)
        part.start()
        with listening(broker.port) as listener:
            entity = listener.wait(CONFIG).json["cmps"]["main.update"]
            listener.say(entity["command_topic"], entity["payload_install"])
            until(lambda: "is not waiting" in caplog.text)
            assert not updates.accepted

            updates.sha256 = "b" * 64
            service.hub.publish(SwapChanged("main", "1", "waiting", updates.sha256, None, "2026-01-01T00:00:00Z"))
            waits = listener.wait(
                entity["state_topic"], lambda heard: heard.json["latest_version"] == version_of("b" * 64)
            )
            assert waits.json["installed_version"] == version_of(service.first_model.current.sha256)
            payload = listener.wait(CONFIG, lambda heard: "b" * 12 in heard.payload.decode())
            listener.say(entity["command_topic"], entity["payload_install"])  # the version before it
            listener.say(entity["command_topic"], payload.json["cmps"]["main.update"]["payload_install"])
            until(lambda: updates.accepted)
            assert updates.accepted == [("main", "7")]

            updates.sha256, updates.error = "c" * 64, UsageError("it has been replaced")
            listener.say(entity["command_topic"], version_of("c" * 64))
            until(lambda: "it has been replaced" in caplog.text)
        part.stop()


@needs_mosquitto
def test_a_retained_command_is_none(tmp_path: Path) -> None:
    with mosquitto(tmp_path / "broker") as broker, running(tmp_path, sources=[FAKE]) as running_service:
        updates = FakeUpdates()
        updates.sha256 = "b" * 64
        with listening(broker.port) as listener:
            listener.say("edgecnn/test/models/main/install", version_of("b" * 64), retain=True)
            part = MqttPart(running_service.service, MqttSettings(url=broker.url), updates)
            part.start()
            listener.wait("edgecnn/test/door/main/state", lambda heard: heard.json["status"] == "ok")
            assert not updates.accepted, "it would be carried out again at every connection"
            part.stop()


@needs_mosquitto
def test_a_swap_to_other_labels_changes_the_options(tmp_path: Path) -> None:
    with (
        mosquitto(tmp_path / "broker") as broker,
        running(tmp_path, sources=[FAKE], mqtt={"url": broker.url}) as running_service,
    ):
        service = running_service.service
        with listening(broker.port) as listener:
            listener.wait(CONFIG)
            other = tmp_path / "other.onnx"
            other.write_bytes(TINY.read_bytes().replace(b'"square"', b'"kettle"'))
            loaded = service.open_model("main", other)
            assert "kettle" in loaded.labels
            service.first_model.replace(loaded)
            service.hub.publish(SwapChanged("main", "1", "accepted", loaded.sha256, None, "2026-01-01T00:00:00Z"))
            wanted = [*loaded.labels, UNRECOGNIZED]
            listener.wait(CONFIG, lambda heard: heard.json["cmps"]["door.main.state"]["options"] == wanted)
            listener.wait(
                "edgecnn/test/models/main/update",
                lambda heard: heard.json["installed_version"] == version_of(loaded.sha256),
            )
            listener.wait(
                "edgecnn/test/door/main/state",
                lambda heard: heard.json["model_sha256"] == loaded.sha256 and heard.json["status"] in {"ok", "unknown"},
            )
