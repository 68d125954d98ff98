"""Who may ask for what: Host, Origin and token, with an address that others reach and behind a proxy too."""

from __future__ import annotations

import hmac
import json
from pathlib import Path

import pytest
from serving.running import ask, running, settings_of
from starlette.requests import Request

from edgecnn.errors import InputNotFoundError, UsageError
from edgecnn.serving.http.access import AccessRules, is_loopback
from edgecnn.serving.http.endpoint import Endpoint
from edgecnn.serving.http.server import listen
from edgecnn.serving.running import RunningService
from edgecnn.serving.state_folder import read_token, state_folder

TOKEN = "a-token-that-is-long-enough-5"
ALL = "0.0.0.0"  # an address that others reach


def request(*headers: tuple[str, str], method: str = "GET") -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    return Request({"type": "http", "method": method, "path": "/", "headers": raw, "query_string": b""})


def refused(rules: AccessRules, *headers: tuple[str, str], method: str = "GET") -> bool:
    return rules.foreign(request(*headers, method=method)) is not None


@pytest.mark.parametrize("host", ["127.0.0.1:4912", "localhost", "LOCALHOST:80", "[::1]:4912", "127.0.0.2:1"])
def test_loopback_has_these_names(host: str) -> None:
    assert not refused(AccessRules(TOKEN, "127.0.0.1"), ("Host", host))


@pytest.mark.parametrize("host", ["192.168.1.5:4912", "[fe80::1]", "camera.example.org", "pi.local", "CAMERA"])
def test_another_address_has_addresses_and_its_own_names(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "pi")
    rules = AccessRules(TOKEN, ALL, frozenset(("camera.example.org", "camera")))
    assert not refused(rules, ("Host", host))
    assert refused(AccessRules(TOKEN, "127.0.0.1"), ("Host", host))
    assert refused(rules, ("Host", f"{host.partition(':')[0].strip('[]')}.evil.com"))


def test_an_own_page_may_ask_and_another_may_not() -> None:
    rules = AccessRules(TOKEN, "127.0.0.1")
    own = ("Host", "127.0.0.1:4912")
    assert not refused(rules, own, ("Origin", "http://127.0.0.1:4912"), method="POST")
    assert not refused(rules, own, ("Origin", "https://127.0.0.1:4912"))  # behind a proxy that adds TLS
    assert refused(rules, own, ("Origin", "http://127.0.0.1:8000"), method="POST")
    assert refused(rules, own, ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "cors"))
    assert not refused(rules, own, ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Mode", "cors"))


def test_a_link_on_another_page_may_be_followed() -> None:
    rules = AccessRules(TOKEN, "127.0.0.1")
    visit = ("Host", "127.0.0.1"), ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate")
    assert not refused(rules, *visit)
    assert refused(rules, *visit, method="POST")


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    rules = AccessRules(TOKEN, ALL)
    assert rules.has_token(request(("Authorization", f"Bearer {TOKEN}")))
    assert rules.has_token(request(("Authorization", f"bearer  {TOKEN} ")))
    assert not rules.has_token(request(("Authorization", "Bearer é")))
    assert not rules.has_token(request())
    assert len(compared) == 3


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        (ALL, False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.evil.com", False),
    ],
)
def test_what_loopback_is(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


@pytest.fixture
def _reached_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service for all addresses listens on loopback all the same: tests open no port to a network."""
    monkeypatch.setattr("edgecnn.serving.running.listen", lambda _, port: listen("127.0.0.1", port))


def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token.txt"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return file


@pytest.mark.usefixtures("_reached_by_nobody")
def test_on_another_address_everything_but_the_page_needs_the_token(tmp_path: Path) -> None:
    with running(tmp_path, host=ALL, token_file=token_file(tmp_path)) as service:
        url = service.url.replace(ALL, "127.0.0.1")
        for path in ("/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"):
            assert ask(url + path).status == 200, path
        for path in ("/api/state", "/api/events", "/metrics", "/v2", "/v2/models/main", "/api/info"):
            answer = ask(url + path)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert ask(f"{url}/api/classify", body=b"x").status == 401
        for path in ("/api/state", "/metrics", "/v2", "/api/info"):
            assert ask(url + path, token=TOKEN).status == 200, path


def test_who_listens_everywhere_names_an_address_that_can_be_opened(tmp_path: Path) -> None:
    with running(tmp_path, host=ALL, token_file=token_file(tmp_path)) as service:
        said = service.from_elsewhere()
        assert said is not None
        name = said.split("//")[1].partition(":")[0]
        port = service.url.rpartition(":")[2]
        assert ask(f"http://127.0.0.1:{port}/api/state", headers={"Host": f"{name}:{port}"}, token=TOKEN).status == 200
    with running(tmp_path) as service:
        assert service.from_elsewhere() is None


def test_a_wrong_token_is_told_from_a_missing_one(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        missing = ask(f"{service.url}/api/rollback", method="POST")
        wrong = ask(f"{service.url}/api/rollback", method="POST", token="b" * 32)
    assert (missing.status, wrong.status) == (401, 401)
    assert "a token is needed" in missing.json["error"]
    assert "not the token of this service" in wrong.json["error"]


def test_another_address_without_a_token_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a token is required; name its file with --token-file"):
        RunningService(settings_of(tmp_path, host=ALL))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_clients_of_a_proxy_need_the_token(tmp_path: Path, header: str) -> None:
    with running(tmp_path) as service:
        state = f"{service.url}/api/state"
        assert ask(state).status == 200
        assert ask(state, headers={header: "for=203.0.113.9"}).status == 401
        assert ask(state, headers={header: "for=203.0.113.9"}, token=service.token).status == 200


def test_an_allowed_name_needs_the_token(tmp_path: Path) -> None:
    with running(tmp_path, allowed_hosts=["Camera.example.org"]) as service:
        state = f"{service.url}/api/state"
        assert ask(state, headers={"Host": "camera.example.org"}).status == 401
        assert ask(state, headers={"Host": "camera.example.org"}, token=service.token).status == 200


def test_a_service_listens_on_another_loopback_address(tmp_path: Path) -> None:
    with running(tmp_path, host="127.0.0.2") as service:
        assert ask(f"{service.url}/api/state").status == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nothing", "GET", 404), ("/api/state", "DELETE", 405), ("/page/nothing.js", "GET", 404), ("/fails", "GET", 500)],
)
def test_every_error_is_json_with_the_headers(
    tmp_path: Path, monkeypatch, caplog, path: str, method: str, status: int
) -> None:
    async def fail(_: Request) -> None:
        raise RuntimeError("secret-detail")

    class Failing:
        def endpoints(self) -> list[Endpoint]:
            return [Endpoint("/fails", fail, "open")]

        def start(self) -> None: ...

        stop = start

    monkeypatch.setattr("edgecnn.serving.running.make_parts", lambda *_: (Failing(),))
    with running(tmp_path) as service:
        answer = ask(service.url + path, method=method)
        again = ask(f"{service.url}/healthz")
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(json.loads(answer.content)["error"], str)
    assert b"secret-detail" not in answer.content
    assert b"Traceback" not in answer.content
    for headers in (answer.headers, again.headers):
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    if status == 500:
        assert "secret-detail" in caplog.text  # the log has what the client does not get


def test_a_new_token_is_private_and_stays(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    folder = state_folder(settings)
    token = read_token(settings, folder)
    assert len(token) >= 32
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "token").stat().st_mode & 0o077 == 0
    assert read_token(settings, state_folder(settings)) == token


@pytest.mark.parametrize("text", ["", "short", "é" * 20, "a\nb" * 20, " " * 40])
def test_a_weak_token_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "token.txt").write_text(text)
    with pytest.raises(UsageError, match="expected at least 16 printable ASCII ones"):
        read_token(settings_of(tmp_path, token_file=tmp_path / "token.txt"), tmp_path)


def test_a_token_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"none\.txt: the token cannot be read: No such file"):
        read_token(settings_of(tmp_path, token_file=tmp_path / "none.txt"), tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff" * 40)
    with pytest.raises(InputNotFoundError, match="is not UTF-8 text"):
        read_token(settings_of(tmp_path, token_file=tmp_path / "bytes"), tmp_path)


def test_a_token_that_everybody_may_read_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = token_file(tmp_path)
    with running(tmp_path, token_file=file):
        assert "chmod" not in caplog.text
    file.chmod(0o644)
    with running(tmp_path, token_file=file) as service:
        assert service.token == TOKEN
    assert "chmod 600" in caplog.text
