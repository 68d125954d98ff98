"""Settings files of the service that are damaged, or that somebody wrote to see what happens; made by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

WHOLE = """\
host = "127.0.0.1"
port = 4912
device = "hall-3"
state_dir = "state"

[[models]]
name = "main"
file = "tiny.onnx"
threshold = 0.5

[[sources]]
name = "door"
address = "fake:64x64@5"
models = ["main"]

[swap]
mode = "confirm"
shadow_frames = 50

[mqtt]
url = "mqtt://user:secret@127.0.0.1:1883"
"""
_VALUES = (
    "nan",
    "-inf",
    "9" * 5000,
    "-1",
    "1e999",
    "true",
    "1979-05-27T07:32:00Z",
    "9999-99-99",
    '""',
    '"\\u0000"',
    '"~\\u0000/x"',
    '"~nobody-of-that-name/x"',
    '"../../../etc/passwd"',
    '"' + "x" * 100_000 + '"',
    '"<script>alert(1)</script>"',
    '"\\u001b[31m"',
    "[]",
    "[[[[1]]]]",
    "{}",
    '{a = {b = {c = "d"}}}',
    "[" * 5000,
    "[" * 100_000 + "]" * 100_000,
    '"rtsp://a:b@[::1"',
    '"mqtt://user:pass word@host:99999"',
)


@dataclass(frozen=True)
class HostileSettings:
    """A file: the name says what was done."""

    name: str
    content: bytes


def hostile_settings(count: int, seed: int = 0) -> Iterator[HostileSettings]:
    """As many files; the beginning of a longer series is the shorter one."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        what = chance.choice(_WAYS)
        yield HostileSettings(f"{number:04d}-{what.__name__.strip('_')}.toml", what(chance))


def _value_changed(chance: random.Random) -> bytes:
    lines = WHOLE.splitlines()
    for _ in range(chance.choice((1, 1, 3))):
        at = chance.choice([i for i, line in enumerate(lines) if " = " in line])
        lines[at] = f"{lines[at].partition(' = ')[0]} = {chance.choice(_VALUES)}"
    return "\n".join(lines).encode()


def _line_twice(chance: random.Random) -> bytes:
    lines = WHOLE.splitlines()
    return "\n".join([*lines, chance.choice(lines) + "\n"] if chance.random() < 0.5 else lines * 2).encode()


def _key_changed(chance: random.Random) -> bytes:
    key = chance.choice(("port", "models", "sources", "file", "swap", "url", "name", "[", "="))
    other = chance.choice(("", "Port", "a.b.c", '"\\u0000"', "__class__", "[[x", "ключ", "port"))
    return WHOLE.replace(key, other, 1).encode()


def _bytes_changed(chance: random.Random) -> bytes:
    out = bytearray(WHOLE.encode())
    for _ in range(chance.choice((1, 3, 30))):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def _cut(chance: random.Random) -> bytes:
    content = WHOLE.encode()
    return content[: chance.randrange(len(content))]


def _lines_shuffled(chance: random.Random) -> bytes:
    lines = WHOLE.splitlines()
    chance.shuffle(lines)
    return "\n".join(lines).encode()


def _in_another_code(chance: random.Random) -> bytes:
    return WHOLE.encode(chance.choice(("utf-16", "utf-32", "utf-7", "utf-8-sig", "cp037")))


def _no_toml(chance: random.Random) -> bytes:
    return chance.choice(
        (b"", b"\0" * 4000, chance.randbytes(4000), b"{}", b"---\nport: 1\n", b"[" * 100_000, b"a." * 50_000)
    )


_WAYS: tuple[Callable[[random.Random], bytes], ...] = (
    _value_changed,
    _value_changed,
    _value_changed,
    _value_changed,
    _line_twice,
    _key_changed,
    _key_changed,
    _bytes_changed,
    _cut,
    _lines_shuffled,
    _in_another_code,
    _no_toml,
)
