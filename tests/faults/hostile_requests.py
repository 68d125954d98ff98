"""Requests that no honest client sends, made by seeds: every one of them has to be refused or cut off.

The known ones, by name, are in `tests/serving/http/known_attacks.py`. These are variations without end: a kind of attack
is chosen, and all in it that may vary is drawn. Some of them have the token, and are wrong in what they ask for.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Iterator
from typing import Any

from serving.http.attack import CHANGE, POST, READ, REGIONS, TOKEN, Attack, classify, from_host, get, once, posted

BEARER = b"Authorization: Bearer " + TOKEN.encode()
SIDE = 32  # of the image that the model takes
PIXELS = SIDE * SIDE * 3
CHANGES = (
    (b"PUT", b"/api/sources/door/regions"), (b"POST", b"/api/sources/door/realign"), (b"POST", b"/api/models"),
    (b"POST", b"/api/models/accept"), (b"POST", b"/api/models/reject"), (b"POST", b"/api/rollback"),
    (b"POST", b"/api/collect/label"), (b"POST", b"/api/collect/discard"), (b"POST", b"/api/teach"),
    (b"POST", b"/api/teach/cancel"), (b"POST", b"/api/teach/next"),
)  # fmt: skip
FOREIGN = (b"evil.com", b"evil.example", b"8.8.8.8", b"xn--e1awd7f.com", b"a.b.c.d.evil.com")


def hostile_requests(count: int, seed: int = 0) -> Iterator[tuple[str, Attack]]:
    """As many requests with their names; the beginning of a longer series is the shorter one. Every kind comes in turn."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield f"{number:04d} {kind.__name__.strip('_')}", kind(random.Random(f"{seed} {number}"))


def _request_line(chance: random.Random) -> Attack:
    method, path, version = b"GET", b"/api/state", b"HTTP/1.1"
    fault = chance.randrange(6)
    if fault == 0:
        method = bytes(chance.choice(b'\x00\x01\x7f\xff(){}<>@,;:\\"[]?=') for _ in range(chance.randrange(1, 30)))
    elif fault == 1:
        method = _word(chance, string.ascii_uppercase, 8, 40)
    elif fault == 2:
        version = chance.choice((b"HTTP/9.9", b"HTTP/1", b"HTTP/-1.1", b"HTTX/1.1", b"http/1.1", b"1.1", b"HTTP/1.1 x"))
    elif fault == 3:
        path = b"/api/" + chance.choice((b"\x00", b"\x7f", b"\xff\xfe", b" state", b"\tstate", b"st\rate"))
    elif fault == 4:
        path = chance.choice((b"http://evil.com/api/state", b"evil.com:443", b"api/state", b"*", b"?x", b"//evil.com/"))
    else:
        return Attack((_noise(chance, 10, 3000) + b"\r\n\r\n",))
    return once(method + b" " + path + b" " + version + b"\r\n", b"Host: HOST\r\n", b"Content-Length: 0\r\n")


def _huge_head(chance: random.Random) -> Attack:
    size = chance.randrange(17_000, 200_000)
    way = chance.randrange(3)
    if way == 0:
        return get(b"/api/state?" + b"a" * size)
    if way == 1:
        return once(READ, b"Host: HOST\r\n", b"X-" + _word(chance) + b": " + b"x" * size + b"\r\n")
    line = b"X: " + _word(chance) + b"\r\n"
    return once(READ, b"Host: HOST\r\n", line * (size // len(line) + 1))


def _slow(chance: random.Random) -> Attack:
    """Slowloris: a head or a body that comes byte by byte, or not to its end."""
    head = b"GET /api/state HTTP/1.1\r\nHost: HOST\r\n"
    pause_s = chance.uniform(0.2, 0.4)
    way = chance.randrange(4)
    if way == 0:
        return Attack((head, *[b"X-" + _word(chance) + b": x\r\n" for _ in range(10)]), pause_s)
    if way == 1:
        return Attack((head[: chance.randrange(1, len(head) - 2)],))
    length = b"Content-Length: %d\r\n\r\n" % chance.randrange(100, 2_000_000)
    if way == 2:
        return Attack((POST + b"Host: HOST\r\n" + length, *[_noise(chance, 1, 9) for _ in range(10)]), pause_s)
    chunks = [b"%x\r\n" % size + bytes(size) + b"\r\n" for size in chance.choices(range(1, 9), k=10)]
    return Attack((POST + b"Host: HOST\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks), pause_s)


def _chunks(chance: random.Random) -> Attack:
    size = chance.choice(
        (b"-1", b"+5", b"0x5", b"g", b"", b" ", b"5 5", b"\xff", b"5;" + b"x" * 30_000, b"F" * chance.randrange(17, 40))
    )
    data = _noise(chance, 0, 200)
    good = b"3\r\nabc\r\n" * chance.randrange(3)
    end = chance.choice((b"\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n", b""))
    return classify(b"Transfer-Encoding: chunked", body=good + size + b"\r\n" + data + end)


def _lengths(chance: random.Random) -> Attack:
    body = _noise(chance, 1, 300)
    real = len(body)
    wrong = chance.choice((b"-%d", b"+%d", b"0x%x", b"%d.0", b"%d,%d", b"%de3", b"\xc2\xb2%d", b"%d\x0b"))
    way = chance.randrange(4)
    if way == 0:
        return classify(b"Content-Length: " + wrong % ((real,) * wrong.count(b"%")), body=body)
    if way == 1:
        return classify(
            b"Content-Length: %d" % real, b"Content-Length: %d" % (real + chance.choice((-1, 1, 60))), body=body
        )
    if way == 2:
        smuggled = b"0\r\n\r\nPUT /api/sources/door/regions HTTP/1.1\r\nHost: HOST\r\n\r\n"
        return classify(b"Content-Length: %d" % real, b"Transfer-Encoding: chunked", body=smuggled)
    return classify(b"Content-Length: " + str(10 ** chance.randrange(19, 400)).encode(), body=body)


def _path_escape(chance: random.Random) -> Attack:
    start = chance.choice(
        (b"/", b"/page/", b"/page/panels/", b"/api/sources/", b"/api/collect/", b"/v2/models/", b"/api/models/shadow/")
    )
    up = chance.choice(
        (b"..", b"%2e%2e", b".%2e", b"%2E.", b"%252e%252e", b"..;", b"%c0%ae%c0%ae", b"..%00", b"....//")
    )
    slash = chance.choice((b"/", b"%2f", b"%2F", b"\\", b"%5c", b"%252f", b"//", b"/./"))
    end = chance.choice((b"", b"%00", b"%00.html", b"/image", b"?x=.html", b"%20"))
    return get(start + (up + slash) * chance.randrange(1, 12) + b"CANARY" + end)


def _foreign_host(chance: random.Random) -> Attack:
    evil = chance.choice(FOREIGN)
    return from_host(
        chance.choice(
            (
                b"127." + evil, b"127.0.0.1." + evil, b"localhost." + evil, evil, evil + b":PORT", b"HOST@" + evil,
                evil + b"@HOST", b"HOST/" + evil, b"HOST," + evil, b"HOST#" + evil, b"[::1]." + evil, b"[" + evil + b"]",
                b"127.0.0.1:PORT" + str(chance.randrange(10)).encode() + evil, _word(chance) + b".localhost." + evil,
                b"%d.%d.%d.%d" % tuple(chance.randrange(128, 255) for _ in range(4)),
            )
        )
    )  # fmt: skip


def _foreign_origin(chance: random.Random) -> Attack:
    evil = chance.choice(FOREIGN)
    origin = chance.choice(
        (
            b"http://" + evil, b"https://" + evil + b":PORT", b"http://127." + evil + b":PORT", b"http://HOST." + evil,
            b"http://HOST@" + evil, b"http://" + evil + b"#HOST", b"null", b"file://HOST", b"http://HOST/" + _word(chance),
            b"http://127.0.0.1:%d" % chance.randrange(1, 1000), b"chrome-extension://" + _word(chance),
        )
    )  # fmt: skip
    method, path = chance.choice(((b"GET", b"/api/state"), (b"GET", b"/api/events"), *CHANGES))
    return posted(method, path, b"", b"Origin: " + origin, *([BEARER] if chance.random() < 0.5 else []))


def _without_token(chance: random.Random) -> Attack:
    """A change without the token, or with one that is nearly it."""
    method, path = chance.choice(CHANGES)
    at = chance.randrange(len(TOKEN))
    other = chance.choice([letter for letter in string.ascii_letters if letter != TOKEN[at]])
    near = (TOKEN[:at], TOKEN[at + 1 :], TOKEN[:at] + other + TOKEN[at + 1 :], TOKEN * 2, TOKEN.upper(), TOKEN[::-1])
    sent = chance.choice(
        (
            b"X: x", b"Authorization: Basic " + TOKEN.encode(), b"Cookie: token=" + TOKEN.encode(),
            b"X-Token: " + TOKEN.encode(), b"Authorization:", *(b"Authorization: Bearer " + x.encode() for x in near),
        )
    )  # fmt: skip
    return posted(method, path, REGIONS, sent)


def _large_body(chance: random.Random) -> Attack:
    size = chance.randrange(2_100_000, 4_000_000)
    if chance.random() < 0.5:
        return classify(b"Transfer-Encoding: chunked", body=(b"80000\r\n" + bytes(0x80000) + b"\r\n") * 6)
    path, length = chance.choice((b"/api/classify", b"/api/image", b"/v2/models/main/infer")), b"%d" % size
    return once(
        b"POST " + path + b" HTTP/1.1\r\n", b"Host: HOST\r\nContent-Length: " + length + b"\r\n", body=bytes(size)
    )


def _upgrade(chance: random.Random) -> Attack:
    path = chance.choice((b"/api/state", b"/api/events", b"/", b"/api/sources/door/image", b"/metrics"))
    protocol = chance.choice((b"websocket", b"websocket, h2c", b"WebSocket", b"websocket/13"))
    key = chance.choice((b"", b"eA==", b"dGhlIHNhbXBsZSBub25jZQ==", _word(chance)))
    headers = (
        b"Connection: Upgrade", b"Upgrade: " + protocol, b"Sec-WebSocket-Key: " + key,
        b"Sec-WebSocket-Version: " + chance.choice((b"13", b"8", b"-1")), b"Origin: http://" + chance.choice(FOREIGN),
    )  # fmt: skip
    return once(b"GET " + path + b" HTTP/1.1\r\n", b"Host: HOST\r\n", *(header + b"\r\n" for header in headers))


def _event_stream(chance: random.Random) -> Attack:
    """The stream of events asked for from elsewhere, by a method that it does not have, or through a proxy."""
    accept = b"Accept: text/event-stream\r\nLast-Event-ID: " + _word(chance) + b"\r\n"
    way = chance.randrange(4)
    if way == 0:
        return once(b"GET /api/events HTTP/1.1\r\nHost: 127." + chance.choice(FOREIGN) + b"\r\n", accept)
    if way == 1:
        return once(b"GET /api/events HTTP/1.1\r\nHost: HOST\r\n", accept, b"Sec-Fetch-Site: cross-site\r\n")
    if way == 2:
        return once(b"GET /api/events HTTP/1.1\r\nHost: HOST\r\n", accept, b"X-Forwarded-For: 203.0.113.9\r\n")
    method = chance.choice((b"POST", b"PUT", b"DELETE", b"PATCH"))
    return once(method + b" /api/events HTTP/1.1\r\nHost: HOST\r\n", accept, b"Content-Length: 0\r\n")


def _json(chance: random.Random) -> Attack:
    """A change with the token, whose body is no JSON, or none of the kind that is expected."""
    odd = chance.choice((-1, 1e308, "x" * 100_000, "\x00", None, [[]], {"a": {}}, "../CANARY", True))
    region = {"name": "theirs", "roi": "0,0,0.5,0.5"}
    regions = (
        odd, [{**region, chance.choice(("name", "roi")): odd}], [region, region], [{**region, "roi": "0,0,1e999,nan"}],
        [{**region, "more": odd}], [region] * 3000,
    )  # fmt: skip
    (method, path), values = chance.choice(
        (
            (CHANGES[0], {"regions": chance.choice(regions)}),
            (CHANGES[0], {"regions": chance.choice(regions)}),
            ((b"POST", b"/api/models/accept"), {"id": odd}),
            ((b"POST", b"/api/teach"), {chance.choice(("replace", "max_drop")): odd}),
        )
    )
    broken = (
        REGIONS[: chance.randrange(1, len(REGIONS))], b"[" * chance.randrange(2_000, 100_000), _noise(chance, 1, 3000),
        b'{"regions": ' + b"[" * 5000 + b"]" * 5000 + b"}", REGIONS.decode().encode("utf-16"), b"NaN", b"null",
    )  # fmt: skip
    body = _dumped(values) if chance.random() < 0.6 else chance.choice(broken)
    return posted(method, path, body, BEARER, b"Content-Type: application/json")


def _tensor(chance: random.Random) -> Attack:
    """A binary tensor of the inference protocol whose head lies."""
    tensor: dict[str, Any] = {
        "name": "image",
        "shape": [1, SIDE, SIDE, 3],
        "datatype": "UINT8",
        "parameters": {"binary_data_size": PIXELS},
    }
    number = chance.choice((-1, 0, PIXELS - 1, PIXELS + 1, 2**31, 2**63, 10**30, True, None, "3072", 3072.0, [3072]))
    lie: dict[str, Any] = chance.choice(
        (
            {"parameters": {"binary_data_size": number if number is not None else "all"}},
            {"shape": [chance.choice((-1, 0, 2, 65, 2**31, 2**62)), SIDE, SIDE, 3]}, {"shape": [1, 2**31, 2**31, 3]},
            {"shape": [PIXELS]}, {"shape": "1x32x32x3"}, {"datatype": chance.choice(("FP32", "BYTES", "uint8", 7))},
            {"data": [0] * PIXELS}, {"name": "../CANARY"}, {"parameters": {"shared_memory_region": "../CANARY"}},
            {"parameters": []},
        )
    )  # fmt: skip
    text = _dumped({"inputs": [tensor | lie]})
    stated = len(text)
    if chance.random() < 0.3:
        text, stated = _dumped({"inputs": [tensor]}), chance.choice((0, 1, stated - 1, 10**9, -5, 10**30))
    return posted(
        b"POST", b"/v2/models/main/infer", text + bytes(PIXELS), b"Inference-Header-Content-Length: %d" % stated
    )


def _query(chance: random.Random) -> Attack:
    number = chance.choice((b"-1", b"9" * 400, b"nan", b"1e3", b"0x10", b"%00", b"%d9%a3x", b"' OR 1=1", b"1;2"))
    number = number.replace(b" ", b"%20")
    path = chance.choice((b"/api/sources/door/image?after=", b"/api/collect?limit=", b"/api/collect?offset="))
    name = chance.choice((b"..%2f..%2fCANARY", b"%00", b"<script>", b"x" * 5000, b"%ff"))
    return get(chance.choice((path + number, b"/api/info?model=" + name, b"/api/teach?model=" + name)))


def _not_an_image(chance: random.Random) -> Attack:
    """The body of a form or of a request that is none, however it is named."""
    name = chance.choice((b"/CANARY", b"..%2f..%2fCANARY", b"\x00.png", b"x" * 9000, b'"; filename="/CANARY'))
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n\r\n'
    body = part + _noise(chance, 0, 3000) + chance.choice((b"\r\n--b--\r\n", b"\r\n--b\r\n", b""))
    return posted(b"POST", b"/api/classify", body, b"Content-Type: multipart/form-data; boundary=b")


def _many_at_once(chance: random.Random) -> Attack:
    method, path = chance.choice(CHANGES)
    start = method + b" " + path + b" HTTP/1.1\r\n"
    return Attack(((start + b"Host: HOST\r\nContent-Length: 0\r\n\r\n") * chance.randrange(20, 200),))


def _odd_header(chance: random.Random) -> Attack:
    line = chance.choice(
        (b"Host : HOST", b": x", b"X: a\x00b", b"X: a\rY: b", b"X\x7f: y", b" folded", b"X\xff: y", b"Host: evil.com",
         b"X Y: z", b"Content-Encoding: gzip\r\nContent-Length: 3")
    )  # fmt: skip
    start = chance.choice((CHANGE, POST))
    return once(start, b"Host: HOST\r\n", BEARER + b"\r\n", line + b"\r\n", body=b"abc" if line.endswith(b"3") else b"")


KINDS: tuple[Callable[[random.Random], Attack], ...] = (
    _request_line, _huge_head, _slow, _chunks, _lengths, _path_escape, _foreign_host, _foreign_origin, _without_token,
    _large_body, _upgrade, _event_stream, _json, _tensor, _query, _not_an_image, _many_at_once, _odd_header,
)  # fmt: skip


def _word(chance: random.Random, letters: str = string.ascii_lowercase, least: int = 1, most: int = 12) -> bytes:
    return "".join(chance.choices(letters, k=chance.randrange(least, most))).encode()


def _noise(chance: random.Random, least: int, most: int) -> bytes:
    return chance.randbytes(chance.randrange(least, most))


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode()
