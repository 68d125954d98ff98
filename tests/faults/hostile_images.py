"""Image files that no camera writes, made by a seed: damaged, spliced, and with headers that lie.

What a seed gives is the same on every machine with the same Pillow.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from encoded_images import encoded, noise
from PIL import Image as Pil  # noqa: TID251  # writes what OpenCV and EdgeCNN read

SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "GIF": ".gif",
    "TIFF": ".tiff",
    "PPM": ".ppm",
    "AVIF": ".avif",
    "JPEG2000": ".jp2",
}
_NUMBERS = (0, 1, 2, 3, 7, 127, 128, 255, 256, 4096, 32767, 32768, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True)
class HostileImage:
    """A file: the name says what was done to what."""

    name: str
    content: bytes


@cache
def originals() -> tuple[tuple[str, bytes], ...]:
    """Small whole images of each kind, with the suffix of their format."""
    pixels = Pil.fromarray(noise(24, 36, seed=4))
    kinds: list[tuple[str, str, dict[str, object]]] = [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "L", {"quality": 5}),
        ("JPEG", "CMYK", {"subsampling": 2}),
        ("JPEG", "RGB", {"exif": _exif(6)}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("PNG", "1", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("GIF", "P", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", "I;16", {}),
        ("TIFF", "F", {}),
        ("PPM", "RGB", {}),
        ("PPM", "L", {}),
        ("PPM", "1", {}),
        ("JPEG2000", "RGB", {}),
        ("AVIF", "RGB", {"speed": 10}),
    ]
    made = [
        (
            SUFFIXES[kind],
            encoded(pixels.convert("L").convert(mode) if ";" in mode else pixels.convert(mode), kind, **how),
        )
        for kind, mode, how in kinds
    ]
    frames = [Pil.fromarray(noise(24, 36, seed=seed)).convert("P") for seed in range(3)]
    moving: dict[str, object] = {"save_all": True, "append_images": frames[1:]}
    return (*made, *((SUFFIXES[kind], encoded(frames[0], kind, **moving)) for kind in ("GIF", "PNG", "WEBP")))


def _exif(orientation: int) -> Pil.Exif:
    exif = Pil.Exif()
    exif[0x0112] = orientation
    return exif


def hostile_images(count: int, seed: int = 0) -> Iterator[HostileImage]:
    """As many files; the beginning of a longer series is the shorter one."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        what = chance.choice(_WAYS)
        suffix, content = chance.choice(originals())
        content = what(content, chance)
        if chance.random() < 0.1:
            suffix = chance.choice(list(SUFFIXES.values()))
        yield HostileImage(f"{number:04d}-{what.__name__.strip('_')}{suffix}", content)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _zeros_behind(content: bytes, chance: random.Random) -> bytes:
    kept = chance.randrange(len(content))
    return content[:kept] + bytes(len(content) - kept)


def _bytes_changed(content: bytes, chance: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20, 100))):
        out[chance.randrange(len(out))] = chance.randrange(256)
    return bytes(out)


def _head_changed(content: bytes, chance: random.Random) -> bytes:
    out = bytearray(content)
    for _ in range(chance.choice((1, 2, 4))):
        out[chance.randrange(min(len(out), 120))] = chance.choice((0, 1, 127, 128, 254, 255))
    return bytes(out)


def _number_in_the_head(content: bytes, chance: random.Random) -> bytes:
    """A whole field replaced: sizes, offsets and counts that cannot be."""
    out = bytearray(content)
    at = chance.randrange(4, min(len(out) - 8, 200))
    kind = chance.choice((">H", "<H", ">I", "<I"))
    struct.pack_into(kind, out, at, chance.choice(_NUMBERS) & (0xFFFF if "H" in kind else 0xFFFFFFFF))
    return bytes(out)


def _piece_twice(content: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(content))
    end = min(len(content), begin + chance.choice((1, 4, 30, 300)))
    return content[:end] + content[begin:end] * chance.choice((1, 2, 50, 1000)) + content[end:]


def _piece_lost(content: bytes, chance: random.Random) -> bytes:
    begin = chance.randrange(len(content))
    return content[:begin] + content[begin + chance.choice((1, 2, 4, 20, 200)) :]


def _spliced(content: bytes, chance: random.Random) -> bytes:
    """The beginning of one and the end of another, of any two kinds."""
    _, other = chance.choice(originals())
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


def _two_in_one(content: bytes, chance: random.Random) -> bytes:
    return content + chance.choice(originals())[1]


def _prefixed(content: bytes, chance: random.Random) -> bytes:
    return chance.choice((b"\n", b"\xef\xbb\xbf", b"\0", b"<html>", b"--frame\r\n", b"\xff\xd8")) + content


def _text_mode(content: bytes, chance: random.Random) -> bytes:
    """As an FTP client in text mode writes it."""
    return chance.choice(
        (content.replace(b"\n", b"\r\n"), content.replace(b"\r\n", b"\n"), content[:2].join((b"", content)))
    )


def _as_text(content: bytes, chance: random.Random) -> bytes:
    """Read as one code page and written as another."""
    return content.decode("latin-1").encode(chance.choice(("utf-8", "utf-16", "utf-7")))


def _no_image(content: bytes, chance: random.Random) -> bytes:
    return chance.choice(
        (
            b"",
            b"\0" * 5000,
            b"\xff" * 5000,
            chance.randbytes(3000),
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"version https://git-lfs.github.com/spec/v1\n",
            b"%PDF-1.7\n" + chance.randbytes(200),
            b"PK\x03\x04" + chance.randbytes(200),
            content[:16],
            content[: chance.randrange(1, 60)] + chance.randbytes(500),
        )
    )


def _png_of_odd_chunks(_content: bytes, chance: random.Random) -> bytes:
    """Valid checksums around contents that are not."""
    width, height = chance.choice((0, 1, 9, 2**31 - 1)), chance.choice((1, 9, 9, 70_000))
    head = struct.pack(
        ">IIBBBBB",
        width,
        height,
        chance.choice((1, 8, 16, 7)),
        chance.choice((0, 2, 3, 4, 6, 5)),
        0,
        0,
        chance.randrange(3),
    )
    kinds = (
        b"tRNS",
        b"PLTE",
        b"gAMA",
        b"cHRM",
        b"iCCP",
        b"zTXt",
        b"acTL",
        b"fcTL",
        b"fdAT",
        b"eXIf",
        b"IDAT",
        b"IHDR",
        b"IEND",
    )
    odd = b"".join(
        _chunk(chance.choice(kinds), chance.randbytes(chance.choice((0, 1, 4, 13, 26, 300)))) for _ in range(5)
    )
    pixels = zlib.compress(chance.randbytes(chance.choice((0, 10, 300, 5000))))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + odd + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _tiff_of_odd_tags(_content: bytes, chance: random.Random) -> bytes:
    tags = (254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339, 34665)
    wanted = {256: chance.choice((0, 1, 9, 70_000)), 257: 9, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 9, 279: 81}
    for _ in range(chance.randrange(1, 5)):
        wanted[chance.choice(tags)] = chance.choice((0, 1, 2, 3, 5, 16, 64, 65535))
    order = chance.choice("<>")
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, chance.choice((1, 1, 1, 0, 3, 2**31)), value)
        for tag, value in sorted(wanted.items())
    )
    mark = b"II" if order == "<" else b"MM"
    pixels = chance.randbytes(92)
    return (
        mark + struct.pack(f"{order}HI", 42, 100) + pixels + struct.pack(f"{order}H", len(wanted)) + entries + bytes(4)
    )


def _strange_sizes(_content: bytes, chance: random.Random) -> bytes:
    """Whole images of sizes that no camera has."""
    size = chance.choice(((1, 1), (1, 2), (2, 1), (1, 16000), (16000, 1), (3, 16000), (7, 7), (2000, 2), (1, 3)))
    kind = chance.choice(tuple(SUFFIXES))
    shade = (chance.randrange(256), chance.randrange(256), chance.randrange(256))
    return encoded(Pil.new("RGB", size, shade), kind)


def _ascii_pnm(_content: bytes, chance: random.Random) -> bytes:
    number = chance.choice((b"1", b"2", b"3", b"4", b"5", b"6"))
    word = (b"9", b"-9", b"0", b"1e3", b"99999999999", b"#x\n 9", b"")
    words = [chance.choice((b"9", b"9", chance.choice(word))) for _ in range(3)]
    return (
        b"P"
        + number
        + b" "
        + b" ".join(words)
        + b"\n"
        + chance.choice((b"1 " * 81, b"255 " * 300, chance.randbytes(300)))
    )


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut,
    _zeros_behind,
    _bytes_changed,
    _bytes_changed,
    _head_changed,
    _head_changed,
    _number_in_the_head,
    _number_in_the_head,
    _number_in_the_head,
    _piece_twice,
    _piece_lost,
    _spliced,
    _two_in_one,
    _prefixed,
    _text_mode,
    _as_text,
    _no_image,
    _png_of_odd_chunks,
    _png_of_odd_chunks,
    _tiff_of_odd_tags,
    _tiff_of_odd_tags,
    _strange_sizes,
    _ascii_pnm,
)
