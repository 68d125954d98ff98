"""Requests of attackers that are known, by name: each of them was tried against some server before."""

from __future__ import annotations

from serving.http.attack import (
    CHANGE,
    POST,
    READ,
    TOKEN,
    Attack,
    change,
    classify,
    from_host,
    from_origin,
    get,
    once,
)

PATHS = (
    b"/../../../../../../CANARY",
    b"/page/../../CANARY",
    b"/page/..%2f..%2fCANARY",
    b"/%2e%2e/%2e%2e/%2e%2e/CANARY",
    b"/page/%2e%2e%2f%2e%2e%2fCANARY",
    b"/page/%252e%252e%252fCANARY",
    b"/page/..\\..\\CANARY",
    b"/page/..%5c..%5cCANARY",
    b"/page/CANARY%00.html",
    b"/page/%00",
    b"/page//CANARY",
    b"//CANARY",
    b"/page/%c0%ae%c0%ae/CANARY",
    b"file://CANARY",
    b"http://evil.example/api/state",
    b"/api/sources/..%2f..%2fCANARY/image",
    b"/api/sources/%2e%2e/image",
    b"/api/sources/door/image?after=-1",
    b"/api/sources/door/image?after=" + b"9" * 5000,
    b"/v2/models/..%2f..%2fCANARY",
    b"/v2/models/main/versions/..%2f/ready",
    b"/.env",
    b"/token",
    b"/state/token",
    b"/api/state/",
    b"*",
)
HOSTS = (
    b"127.evil.com",
    b"127.0.0.1.evil.com",
    b"evil.com",
    b"localhost.evil.com",
    b"evil.com:PORT",
    b"127.0.0.1:PORT@evil.com",
    b"evil.com@127.0.0.1:PORT",
    b"127.0.0.1:PORT:80",
    b"127.0.0.1:port",
    b"127.0.0.1, evil.com",
    b"127.0.0.1/evil.com",
    b"127.0.0.1#evil.com",
    b"[::1",
    b"[::1]evil.com",
    b"[::ffff:8.8.8.8]:PORT",
    b"[fe80::1%25lo]:PORT",
    b"0x7f.0.0.1",
    b"2130706433",
    b"127.1",
    b"127.0.0.1.",
    b"8.8.8.8",
    b"0.0.0.0:PORT",
    b"",
    b"\xe2\x93\x9bocalhost",
)
ORIGINS = (
    b"http://evil.com",
    b"null",
    b"",
    b"http://127.evil.com:PORT",
    b"http://HOST.evil.com",
    b"http://HOST@evil.com",
    b"http://evil.com@HOST",
    b"http://127.0.0.1:1",
    b"http://localhost:PORT",
    b"file://HOST",
    b"chrome-extension://HOST",
    b"http://HOST/path",
    b"http://[::1]:PORT",
)
ATTACKS: dict[str, Attack] = {
    **{f"path {path[:60].decode()}": get(path) for path in PATHS},
    **{f"host {host.decode(errors='replace')}": from_host(host) for host in HOSTS},
    **{f"origin {origin.decode()}": from_origin(origin) for origin in ORIGINS},
    "no host": once(READ),
    "no host, HTTP/1.0": once(b"GET /api/state HTTP/1.0\r\n"),
    "two hosts": once(READ, b"Host: HOST\r\n", b"Host: evil.com\r\n"),
    "two origins": once(READ, b"Host: HOST\r\n", b"Origin: http://HOST\r\n", b"Origin: http://evil.com\r\n"),
    "a change from another page": from_origin(b"http://evil.com", CHANGE),
    "another page, without an origin": once(
        READ, b"Host: HOST\r\n", b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"
    ),
    "another page, sent by a form": classify(
        b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Mode: navigate", b"Content-Length: 0"
    ),
    "a preflight": from_origin(b"http://evil.com", b"OPTIONS /api/state HTTP/1.1\r\n"),
    "handed on by a proxy": once(READ, b"Host: HOST\r\n", b"X-Forwarded-For: 203.0.113.9\r\n"),
    # Changes without the token
    "no token": change(),
    "an empty token": change(b"Authorization: Bearer "),
    "a wrong token": change(b"Authorization: Bearer " + b"x" * len(TOKEN)),
    "a part of the token": change(b"Authorization: Bearer " + TOKEN[:-1].encode()),
    "the token and more": change(b"Authorization: Bearer " + TOKEN.encode() + b"x"),
    "another scheme": change(b"Authorization: Basic " + TOKEN.encode()),
    "no scheme": change(b"Authorization: " + TOKEN.encode()),
    "the token after a wrong one": change(b"Authorization: Bearer wrong", b"Authorization: Bearer " + TOKEN.encode()),
    "the token as a cookie": change(b"Cookie: token=" + TOKEN.encode()),
    "a token of other letters": change(b"Authorization: Bearer \xff\xfe\xe9"),
    "the token in the address": once(
        CHANGE.replace(b" HTTP", b"?token=" + TOKEN.encode() + b" HTTP"), b"Host: HOST\r\n", b"Content-Length: 0\r\n"
    ),
    "another method in a header": once(
        POST, b"Host: HOST\r\n", b"X-HTTP-Method-Override: PUT\r\n", b"Content-Length: 0\r\n"
    ),
    # Methods
    **{
        f"method {method.decode(errors='replace')[:20]}": once(
            method + b" " + path + b" HTTP/1.1\r\n", b"Host: HOST\r\n", b"Content-Length: 0\r\n"
        )
        for method, path in (
            (b"DELETE", b"/api/state"),
            (b"POST", b"/api/state"),
            (b"PATCH", b"/healthz"),
            (b"TRACE", b"/"),
            (b"CONNECT", b"evil.com:443"),
            (b"get", b"/api/state"),
            (b"X" * 9000, b"/"),
            (b"G\x00T", b"/"),
            (b"<script>", b"/"),
        )
    },
    # Not HTTP, or almost
    "HTTP/0.9": Attack((b"GET /api/state\r\n\r\n",)),
    "HTTP/2": Attack((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",)),
    "TLS": Attack((bytes.fromhex("16030100c8010000c40303") + bytes(180) + b"\r\n\r\n",)),
    "zeros": Attack((bytes(40_000),)),
    "two spaces": once(b"GET  /api/state HTTP/1.1\r\n", b"Host: HOST\r\n"),
    "a version that is none": once(b"GET /api/state HTTP/1.1.1\r\n", b"Host: HOST\r\n"),
    "a NUL in a header": once(READ, b"Host: HOST\r\n", b"X: a\x00b\r\n"),
    "a space before the colon": once(READ, b"Host : HOST\r\n"),
    "a header without a name": once(READ, b"Host: HOST\r\n", b": x\r\n"),
    "a carriage return in a header": once(READ, b"Host: HOST\r\n", b"X: a\rY: b\r\n"),
    "a web socket": once(
        READ, b"Host: HOST\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n"
    ),
    "an upgrade of a change": change(b"Connection: Upgrade", b"Upgrade: h2c"),
    # Smuggling
    "two lengths": classify(
        b"Content-Length: 5", b"Content-Length: 60", body=b"GET /api/state HTTP/1.1\r\nHost: HOST\r\n\r\n"
    ),
    "lengths in a list": classify(b"Content-Length: 5, 6", body=b"123456"),
    "length and chunked": classify(
        b"Content-Length: 4",
        b"Transfer-Encoding: chunked",
        body=b"0\r\n\r\nDELETE /api/state HTTP/1.1\r\nHost: HOST\r\n\r\n",
    ),
    "chunked twice": classify(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
    "chunked, almost": classify(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "chunked after a tab": classify(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"),
    "a folded header": classify(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
    "a negative length": classify(b"Content-Length: -1"),
    "a signed length": classify(b"Content-Length: +5", body=b"12345"),
    "a hexadecimal length": classify(b"Content-Length: 0x5", body=b"12345"),
    "a length of 400 digits": classify(b"Content-Length: " + b"9" * 400),
    "a length beyond all limits": classify(b"Content-Length: 99999999999999999999"),
    "a chunk that is none": classify(b"Transfer-Encoding: chunked", body=b"zz\r\nx\r\n0\r\n\r\n"),
    "a negative chunk": classify(b"Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n"),
    "a chunk beyond 64 bits": classify(b"Transfer-Encoding: chunked", body=b"F" * 20 + b"\r\nx"),
    "a chunk without an end": classify(b"Transfer-Encoding: chunked", body=b"1" * 40_000),
    "a chunk that is longer than it says": classify(b"Transfer-Encoding: chunked", body=b"1\r\nxxxx\r\n0\r\n\r\n"),
    # Too much
    "a huge header": once(READ, b"Host: HOST\r\n", b"X: " + b"x" * 100_000 + b"\r\n"),
    "many headers": once(READ, b"Host: HOST\r\n", b"X: x\r\n" * 20_000),
    "a huge address": get(b"/" + b"a" * 100_000),
    "a huge body": classify(b"Content-Length: 3000000", body=bytes(3_000_000)),
    "a huge body in chunks": classify(
        b"Transfer-Encoding: chunked", body=(b"80000\r\n" + bytes(0x80000) + b"\r\n") * 6
    ),
    "many requests at once": Attack((b"DELETE /api/state HTTP/1.1\r\nHost: HOST\r\n\r\n" * 200,)),
    # Too slow
    "nothing at all": Attack(()),
    "a slow head": Attack((b"GET /api/state HTTP/1.1\r\n", *[b"X: x\r\n"] * 12), 0.3),
    "half a head": Attack((b"GET /api/state HTTP/1.1\r\nHost: HO",)),
    "a slow body": Attack((POST + b"Host: HOST\r\nContent-Length: 90000\r\n\r\n", *[b"x"] * 12), 0.3),
    "half a body": Attack((POST + b"Host: HOST\r\nContent-Length: 90000\r\n\r\n" + bytes(500),)),
    "a slow chunk": Attack((POST + b"Host: HOST\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 12), 0.3),
    "a body behind the answer": Attack((CHANGE + b"Host: HOST\r\nContent-Length: 90000\r\n\r\n", *[b"x"] * 12), 0.3),
}
