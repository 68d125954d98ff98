"""A service that runs for a test, and requests to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgecnn.serving.running import RunningService
from edgecnn.serving.settings.settings import Settings

TESTS = Path(__file__).parents[1]
MODELS = TESTS / "models"
TINY = MODELS / "tiny.onnx"


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


def ask(
    url: str,
    *,
    method: str | None = None,
    body: bytes | None = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = 20.0,
) -> Answer:
    """Sends a request; an answer of 4xx or 5xx is one too."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read())


def settings_of(tmp_path: Path, **values: Any) -> Settings:
    """Settings with a small model, any free port and a state folder of their own."""
    given = {"port": 0, "state_dir": tmp_path / "state", "device": "test", "models": [{"file": TINY}], **values}
    return Settings.model_validate(given)


@contextlib.contextmanager
def running(tmp_path: Path, **values: Any) -> Iterator[RunningService]:
    """The service in this process."""
    with RunningService(settings_of(tmp_path, **values)) as service:
        yield service


@dataclass
class ServiceProcess:
    """``edgecnn serve`` in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    token: str
    said: list[str] = field(default_factory=list)  # on standard error, until it was ready

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends it by a signal and returns its exit status."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextlib.contextmanager
def serving(*arguments: str | Path, env: dict[str, str] | None = None, port: int = 0) -> Iterator[ServiceProcess]:
    """Starts ``edgecnn serve`` and waits for the line that names its page."""
    command = [sys.executable, "-m", "edgecnn", "serve", *map(str, arguments), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
    assert process.stderr is not None
    said = []
    try:
        for line in process.stderr:
            said.append(line)
            if match := re.search(r"live page: (http://\S+)/(?:#token=(\S+)| \(token in (.*)\))", line):
                yield ServiceProcess(process, match[1], match[2] or Path(match[3]).read_text().strip(), said)
                return
        raise AssertionError(f"edgecnn serve ended with {process.wait()}: {''.join(said)}")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stderr.close()
