"""Webhooks: what they send, when they try again, and that no decision waits for them."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serving.mqtt.certificates import Authority
from serving.running import running, settings_of
from serving.webhooks.receiver import Receiver, receiving
from waiting import until

from edgecnn.errors import EdgeCNNError
from edgecnn.plain_json import as_json
from edgecnn.serving.engine.events import Decided
from edgecnn.serving.running import RunningService
from edgecnn.serving.settings.settings import WebhookSettings
from edgecnn.serving.webhooks import attempt
from edgecnn.serving.webhooks.hook import Hook

FAKE = {"name": "door", "address": "fake:320x240@30"}
CANARY = "c4nary-s3cret"


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Decided:
    """A decision that differs from the one before it."""
    with running(tmp_path_factory.mktemp("service"), sources=[FAKE]) as service:
        found: Decided = until(
            lambda: next((e for e in service.service.log if isinstance(e, Decided) and e.changed), None)
        )
        return found


class Delivering:
    """A hook that runs while the block does."""

    def __init__(self, receiver: Receiver, **settings: Any) -> None:
        self.hook = Hook(1, WebhookSettings(url=receiver.url + "/hook/" + CANARY, **settings))

    def __enter__(self) -> Hook:
        self.hook.start()
        return self.hook

    def __exit__(self, *_: object) -> None:
        self.hook.request_stop()
        self.hook.join(2)


def test_a_change_is_told_as_predict_prints_it(tmp_path: Path) -> None:
    with (
        receiving() as receiver,
        running(tmp_path, sources=[FAKE], webhooks=[{"url": receiver.url + "/a?b=c"}]) as service,
    ):
        first = until(lambda: receiver.received)[0]
        assert first.path == "/a?b=c"
        told = first.json
        assert (told["source"], told["view"], told["region"], told["model"]) == ("door", "door", None, "main")
        changes = [e for e in service.service.log if isinstance(e, Decided) and e.changed]
        assert told["prediction"] == json.loads(json.dumps(as_json(changes[0].prediction)))
        assert told["id"] == first.headers["X-EdgeCNN-Delivery"]
        assert told["at"].endswith("Z")
        assert "X-EdgeCNN-Signature" not in first.headers
        until(lambda: service.service.sources["door"].status().frames > 20)
        assert len(receiver.received) == len([e for e in service.service.log if isinstance(e, Decided) and e.changed])


def documented() -> Callable[[bytes, dict[str, str], bytes], bool]:
    """The function that docs/webhooks.md gives to receivers."""
    page = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"hashlib": hashlib, "hmac": hmac, "time": time}
    exec(code, names)
    genuine: Callable[[bytes, dict[str, str], bytes], bool] = names["genuine"]
    return genuine


def test_the_signature_covers_body_and_time(tmp_path: Path, decided: Decided) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a key of enough bytes\n")
    with receiving() as receiver, Delivering(receiver, secret_file=secret) as hook:
        hook.hear(decided)
        got = until(lambda: receiver.received)[0]
    verify = documented()
    assert verify(b"a key of enough bytes", got.headers, got.body)
    assert not verify(b"another key of enough", got.headers, got.body)
    assert not verify(b"a key of enough bytes", got.headers, got.body + b" ")
    earlier = {**got.headers, "X-EdgeCNN-Timestamp": str(int(got.headers["X-EdgeCNN-Timestamp"]) - 1)}
    assert not verify(b"a key of enough bytes", earlier, got.body)


def test_a_failure_is_tried_again_with_the_same_id(decided: Decided, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(500, 429, 200) as receiver, Delivering(receiver) as hook:
        hook.hear(decided)
        until(lambda: len(receiver.received) == 3)
        until(lambda: "works again" in caplog.text)
    first, second, third = receiver.received
    assert first.headers["X-EdgeCNN-Delivery"] == second.headers["X-EdgeCNN-Delivery"] == third.json["id"]
    assert second.at_s - first.at_s > 0.45, "after 1 second, or half of it"
    assert third.at_s - second.at_s > 0.9, "after 2 more, or half of them"
    assert CANARY not in caplog.text


@pytest.mark.parametrize("status", [400, 404, 301, 307])
def test_what_will_not_get_better_is_not_tried_again(decided: Decided, status: int, caplog: Any) -> None:
    with receiving(status, 200) as receiver, Delivering(receiver) as hook:
        hook.hear(decided)
        hook.hear(replace(decided, model="second"))
        until(lambda: len(receiver.received) == 2)
        assert receiver.received[1].json["model"] == "second"
        assert all(received.path.startswith("/hook/") for received in receiver.received), "no redirect is followed"
    assert f"{status}" in caplog.text
    assert CANARY not in caplog.text


def test_a_receiver_that_hangs_holds_nothing_up(tmp_path: Path, decided: Decided) -> None:
    with (
        receiving(0) as receiver,
        running(tmp_path, sources=[FAKE], webhooks=[{"url": receiver.url, "timeout_s": 60}]) as service,
    ):
        until(lambda: receiver.received)
        begun_s = time.monotonic()
        for _ in range(1000):
            service.service.hub.publish(decided)
        assert time.monotonic() - begun_s < 10
        frames = service.service.sources["door"].status().frames
        until(lambda: service.service.sources["door"].status().frames > frames + 20)
        begun_s = time.monotonic()
        service.__exit__()
        assert time.monotonic() - begun_s < 10, "nor the end"


def test_an_unexpected_error_does_not_end_the_hook(
    decided: Decided, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with receiving() as receiver, Delivering(receiver) as hook:
        with monkeypatch.context() as broken:
            broken.setattr("edgecnn.serving.webhooks.hook.post", lambda *_: 1 / 0)
            hook.hear(decided)
            until(lambda: "webhook 1: an unexpected error" in caplog.text)
        hook.hear(replace(decided, model="second"))
        until(lambda: receiver.received)
        assert receiver.received[0].json["model"] == "second"
    assert CANARY not in caplog.text


def test_an_attempt_ends_in_time(decided: Decided, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(0, 200) as receiver, Delivering(receiver, timeout_s=0.3) as hook:
        hook.hear(decided)
        until(lambda: len(receiver.received) == 2)
        assert "within 0.3 s" in caplog.text


def test_a_time_limit_is_told_although_its_thread_has_not_ended(
    decided: Decided, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The request ends as soon as its socket is shut down, which is not the last that the thread does."""
    abort = attempt._abort

    def lingering(*arguments: Any) -> None:
        abort(*arguments)
        time.sleep(0.2)

    monkeypatch.setattr(attempt, "_abort", lingering)
    with receiving(0, 200) as receiver, Delivering(receiver, timeout_s=0.3) as hook:
        hook.hear(decided)
        until(lambda: len(receiver.received) == 2)
        assert "within 0.3 s" in caplog.text


def test_the_oldest_of_too_many_changes_go(decided: Decided, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(0) as receiver, Delivering(receiver, timeout_s=0.3, retries=0) as hook:
        hook.hear(decided)
        until(lambda: receiver.received)
        for number in range(150):
            hook.hear(replace(decided, model=f"model{number}"))
        receiver.statuses = [200]
        until(lambda: len(receiver.received) == 101)
        assert [received.json["model"] for received in receiver.received[1:]] == [f"model{n}" for n in range(50, 150)]
        assert "the oldest are dropped" in caplog.text


def test_only_its_own_sources_are_told(decided: Decided) -> None:
    with receiving() as receiver, Delivering(receiver, sources=("gate",)) as hook:
        hook.hear(decided)
        hook.hear(replace(decided, changed=False, source="gate"))
        hook.hear(replace(decided, source="gate"))
        until(lambda: receiver.received)
        assert [received.json["source"] for received in receiver.received] == ["gate"]


def test_a_certificate_is_checked(tmp_path: Path, decided: Decided, caplog: Any, monkeypatch: Any) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.cert, signed.key)
    with receiving(tls=context) as receiver:
        with Delivering(receiver, retries=0) as hook:
            hook.hear(decided)
            until(lambda: "its certificate is not trusted" in caplog.text)
        assert not receiver.received
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.cert))
        with Delivering(receiver, retries=0) as hook:
            hook.hear(decided)
            until(lambda: receiver.received)


def test_a_login_in_the_url_is_sent_and_not_shown(decided: Decided, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(404) as receiver:
        hook = Hook(1, WebhookSettings(url=receiver.url.replace("//", f"//user:{CANARY}@")))
        hook.start()
        hook.hear(decided)
        until(lambda: "404" in caplog.text)
        hook.request_stop()
        assert receiver.received[0].headers["Authorization"].startswith("Basic ")
    assert CANARY not in caplog.text
    assert CANARY not in repr(hook._settings)
    assert CANARY not in repr(hook._address)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": f"ftp://user:{CANARY}@host"}, "webhook 1: url is no address"),
        ({"url": f"http://user:{CANARY}@"}, "webhook 1: url is no address"),
        ({"url": f"http://host:nine/{CANARY}"}, "webhook 1: url is no address"),
        ({"url": f"http://host/{CANARY}\r\nHost: other"}, "webhook 1: url is no address"),
        ({"url": "http://host", "secret_file": "missing"}, "the key of a webhook cannot be read"),
        ({"url": "http://host", "secret_file": "short"}, "the key has 5 bytes"),
        ({"url": "http://host", "sources": ["gate"]}, "there is no source 'gate'; there are: door"),
    ],
)
def test_wrong_settings_are_one_line_without_the_secret(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    (tmp_path / "short").write_text("short")
    given = {key: tmp_path / value if key == "secret_file" else value for key, value in settings.items()}
    with pytest.raises(EdgeCNNError, match=said) as caught:
        RunningService(settings_of(tmp_path, sources=[FAKE], webhooks=[given]))
    assert CANARY not in str(caught.value)
    assert "\n" not in str(caught.value)
