"""A real service with a source that runs, with secrets around it and in it, and what became of attacks on it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.http.attack import TOKEN, Attack
from serving.raw_http import RawAnswer, send_raw
from serving.running import TINY, ServiceProcess, ask, serving
from waiting import until

CANARY = "canary-9f1c"
PASSWORD = "canary-password-5e27"
SECRETS = (CANARY, TOKEN, PASSWORD, "Traceback", "edgecnn/serving")
LIMIT_S = 10.0
_TOO_MANY_BODIES = 503
_SETTINGS = """
state_dir = "state"
token_file = "token.txt"
device = "fortress"
[limits]
request_s = 2.0
silent_s = 2.0
body_mb = 2.0
connections = 400
[[models]]
file = "{model}"
[[sources]]
name = "door"
address = "fake:160x120@10"
[[sources]]
name = "gate"
address = "http://admin:{password}@127.0.0.1:9/video"
[swap]
mode = "confirm"
"""


@dataclass(frozen=True)
class Fortress:
    """A service, with files around it that no answer may show, and a camera whose password none may show."""

    service: ServiceProcess
    folder: Path
    log: list[str] = field(default_factory=list)  # what it said, once it has ended

    @property
    def port(self) -> int:
        return int(self.service.url.rpartition(":")[2])

    @property
    def canary(self) -> bytes:
        """The path of a secret file, without its first slash."""
        return str(self.folder / "canary.txt").lstrip("/").encode()

    def state(self) -> dict[str, Any]:
        """All that a request could have changed: what the service says of itself, and every file."""
        found = ask(f"{self.service.url}/api/state", token=TOKEN).json
        sources = [{key: source[key] for key in ("name", "address", "views", "regions")} for source in found["sources"]]
        files = {
            str(file): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and file.suffix != ".part"
        }
        return {"sources": sources, "models": found["models"], "device": found["device"], "files": files}

    def frames(self) -> int:
        """How many came from the source that runs."""
        return int(ask(f"{self.service.url}/api/state").json["sources"][0]["frames"])

    def attacked(self, attacks: Mapping[str, Attack]) -> dict[str, RawAnswer]:
        """The answers to all of them at once, by name."""

        def attack(made: Attack) -> RawAnswer:
            pieces = made.sent(self.port, self.canary)
            return send_raw(self.port, pieces, pause_s=made.pause_s, limit_s=LIMIT_S + 5)

        with ThreadPoolExecutor(len(attacks)) as pool:
            return dict(zip(attacks, pool.map(attack, attacks.values()), strict=True))


@contextlib.contextmanager
def fortress_in(folder: Path) -> Iterator[Fortress]:
    """Builds it in an empty folder. Ends it in order: anything else than status 0 and a short log is an error."""
    (folder / "canary.txt").write_text(CANARY)
    (folder / "token.txt").write_text(TOKEN)
    (folder / "token.txt").chmod(0o600)
    (folder / "edgecnn.toml").write_text(_SETTINGS.format(model=TINY, password=PASSWORD))
    with serving("--config", folder / "edgecnn.toml") as service:
        until(lambda: ask(f"{service.url}/api/state").json["states"])
        fortress = Fortress(service, folder)
        yield fortress
        assert service.stop() == 0
        assert service.process.stderr is not None
        fortress.log.append(service.process.stderr.read())
        assert "Traceback" not in fortress.log[0], fortress.log[0]
        assert PASSWORD not in fortress.log[0], fortress.log[0]


def secrets_of(answer: RawAnswer) -> list[str]:
    """Those that came back."""
    return [secret for secret in SECRETS if secret.encode() in answer.content]


def accepted(answer: RawAnswer) -> list[int]:
    """The statuses that are no refusal: an answer in place of an error, and errors of the service itself.

    503 is what large bodies get beside other large ones.
    """
    return [status for status in answer.statuses if not 400 <= status < 500 and status != _TOO_MANY_BODIES]
