"""What the child process says that tries out an unknown model file: the model may have taken it over."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from fuzz.promises import Look, Outcome, require, require_line

from edgecnn.errors import ModelError
from edgecnn.runtime.admission import admission
from edgecnn.runtime.session.model_file import ModelFile

LONGEST = 2048
_VERSION = "1.0"  # of onnxruntime, whatever is installed
WORDS = (
    b'{"limit_s": ', b'"why"', f'"onnxruntime": "{_VERSION}"'.encode(), b"}\n", b"null", b"true",
    b"NaN", b"Infinity", b"1e999", b"-1", b"9" * 400, b"\\ud800", b"\\n", b"\\u001b", b"[[[[[[[[", b"7.0",
)  # fmt: skip
_MODEL = ModelFile(Path("model.onnx"), b"content", "ab" * 32)
_STATUSES = (0, 1, -9, -11, -24, 77)  # how it ends, by an input's first byte


class _Child:
    """A process that has ended."""

    pid = 1

    def __init__(self, said: bytes, status: int) -> None:
        self.stdin, self.stdout = io.BytesIO(), io.BytesIO(said)
        self._status = status

    def poll(self) -> int:
        return self._status

    def wait(self, timeout: float | None = None) -> int:
        require(timeout is None or 0 < timeout < 1e5, f"waits for {timeout} s")
        return self._status


def _nothing(*_: object, **__: object) -> None:
    """A `Mock` would keep each of the millions of calls."""


@contextmanager
def opened() -> Iterator[Look]:
    with (
        mock.patch.object(admission, "recall", _nothing),
        mock.patch.object(admission, "remember", _nothing),
        mock.patch.object(admission, "unneeded", _nothing),
        mock.patch.object(admission, "onnxruntime", SimpleNamespace(__version__=_VERSION)),
    ):
        yield _look


def _look(data: bytes) -> Outcome:
    child = _Child(data[1:], _STATUSES[data[0] % len(_STATUSES)] if data else 0)
    with mock.patch.object(admission, "_start", return_value=child):
        try:
            admission.admit(_MODEL)
        except ModelError as error:
            require_line(str(error))
            return "refused"
    return "accepted"
