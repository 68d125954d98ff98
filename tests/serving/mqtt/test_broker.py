"""Credentials and TLS: what is refused is said in a line, and no password is ever in it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serving.mqtt.certificates import Authority
from serving.mqtt.listener import listening
from serving.mqtt.mosquitto import mosquitto, needs_mosquitto
from serving.running import ask, running, settings_of
from waiting import until

from edgecnn.errors import EdgeCNNError
from edgecnn.serving.mqtt.broker import read_broker
from edgecnn.serving.running import RunningService
from edgecnn.serving.settings.settings import MqttSettings

CANARY = "c4nary-p4ssword"
FAKE = {"name": "door", "address": "fake:320x240@30"}
STATE = "edgecnn/test/door/main/state"


def passwords(tmp_path: Path, *, right: str) -> Path:
    """A password file of mosquitto for the user `device`."""
    path = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(path), "device", right], check=True, capture_output=True)
    return path


@needs_mosquitto
def test_a_wrong_password_is_said_once_and_the_right_one_is_read_anew(tmp_path: Path, caplog: Any, capfd: Any) -> None:
    users, file = passwords(tmp_path, right=CANARY), tmp_path / "password"
    file.write_text("wrong-" + CANARY)
    with mosquitto(tmp_path / "broker", f"password_file {users}") as broker:
        mqtt = {"url": broker.url, "username": "device", "password_file": file}
        with running(tmp_path, sources=[FAKE], mqtt=mqtt) as service:
            until(lambda: "not authori" in caplog.text)
            file.write_text(CANARY + "\n")
            with listening(broker.port, "device", CANARY) as listener:
                listener.wait(STATE, lambda heard: heard.json["status"] == "ok")
                everything = b"".join(heard.topic.encode() + heard.payload for heard in listener.heard)
            everything += ask(f"{service.url}/api/state").content + caplog.text.encode()
            everything += repr(service.service.settings).encode() + "".join(capfd.readouterr()).encode()
            assert CANARY.encode() not in everything
            assert sum("not authori" in record.getMessage() for record in caplog.records) == 1
            until(lambda: "works again" in caplog.text)


@needs_mosquitto
def test_credentials_in_the_url_work_and_are_never_shown(tmp_path: Path, caplog: Any) -> None:
    users = passwords(tmp_path, right="p@ss/" + CANARY)
    with mosquitto(tmp_path / "broker", f"password_file {users}") as broker:
        url = broker.url.replace("//", f"//device:p%40ss%2F{CANARY}@")
        with (
            running(tmp_path, sources=[FAKE], mqtt={"url": url}),
            listening(broker.port, "device", "p@ss/" + CANARY) as listener,
        ):
            listener.wait(STATE)
            broker.kill()
            until(lambda: "the connection has ended" in caplog.text)
    assert CANARY not in caplog.text


@needs_mosquitto
def test_tls_with_an_authority_and_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.sign("localhost"), authority.sign("client")
    tls = [f"cafile {authority.cert}", f"certfile {server.cert}", f"keyfile {server.key}", "require_certificate true"]
    with mosquitto(tmp_path / "broker", *tls) as broker:
        files = {"ca_file": authority.cert, "cert_file": client.cert, "key_file": client.key}
        context = ssl.create_default_context(cafile=authority.cert)
        context.load_cert_chain(client.cert, client.key)
        mqtt = {"url": f"mqtts://127.0.0.1:{broker.port}", **files}
        with running(tmp_path, sources=[FAKE], mqtt=mqtt), listening(broker.port, tls=context) as listener:
            listener.wait(STATE, lambda heard: heard.json["status"] == "ok")


@needs_mosquitto
def test_a_certificate_of_somebody_else_is_not_trusted(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    server = authority.sign("localhost")
    tls = [f"cafile {authority.cert}", f"certfile {server.cert}", f"keyfile {server.key}"]
    with mosquitto(tmp_path / "broker", *tls) as broker:
        mqtt = {"url": f"mqtts://127.0.0.1:{broker.port}", "ca_file": other.cert}
        with running(tmp_path, sources=[FAKE], mqtt=mqtt):
            until(lambda: "its certificate is not trusted" in caplog.text)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": f"http://u:{CANARY}@host"}, "expected mqtt://HOST"),
        ({"url": f"mqtt://u:{CANARY}@host:nine"}, "expected mqtt://HOST"),
        ({"url": f"mqtt://u:{CANARY}@host/topic"}, "expected mqtt://HOST"),
        ({"url": f"mqtt://u:{CANARY}@"}, "expected mqtt://HOST"),
        ({"url": "mqtt://host", "ca_file": "here"}, "needs an url that begins with mqtts://"),
        ({"url": "mqtts://host", "ca_file": "missing"}, "no such file; mqtt.ca_file names it"),
        ({"url": "mqtts://host", "ca_file": "here"}, "is no certificate"),
        ({"url": "mqtts://host", "cert_file": "here"}, "cert_file and key_file belong together"),
        ({"url": "mqtts://host", "cert_file": "here", "key_file": "here"}, "expected PEM files"),
        ({"url": "mqtt://host", "username": "u", "password_file": "missing"}, "the broker's password cannot be read"),
        ({"url": "mqtt://host", "password_file": "here"}, "password_file needs username"),
        ({"url": f"mqtt://u:{CANARY}@host", "password_file": "here"}, "give password_file alone"),
        ({"url": f"mqtt://u:{CANARY}@host", "username": "u"}, "give one of them"),
    ],
)
def test_wrong_settings_are_one_line_without_the_password(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    (tmp_path / "here").write_text(CANARY)
    given = {key: tmp_path / value if key.endswith("_file") else value for key, value in settings.items()}
    with pytest.raises(EdgeCNNError, match=said) as caught:
        RunningService(settings_of(tmp_path, mqtt=given))
    assert CANARY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_name_of_a_broker_has_no_password(tmp_path: Path) -> None:
    broker = read_broker(MqttSettings(url=f"mqtt://u:{CANARY}@[::1]"))
    assert (broker.name, broker.username, broker.password()) == ("mqtt://[::1]:1883", "u", CANARY)
    assert CANARY not in repr(broker)


@pytest.mark.parametrize("topic", ["a/#", "+", "$SYS", "/a", "a/", "a b", "a\nb"])
def test_a_topic_with_wildcards_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="is no topic"):
        MqttSettings(url="mqtt://host", base_topic=topic)
