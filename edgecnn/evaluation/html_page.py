"""Self-contained HTML pages: user text is escaped, images are embedded, and the browser may load nothing else."""

from __future__ import annotations

import base64
import html
from typing import Literal

import cv2

from edgecnn.preprocess import Image

__all__ = ["encoded", "image_tag", "page", "text", "words"]

_JPEG_QUALITY = 85
_PNG_COMPRESSION = 6  # 9 takes five to eight times as long for 4 % fewer bytes

# The policy lets a browser fetch nothing at all, whatever a label or file name may hold.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(title: str, style: str, body: str) -> str:
    """Returns a complete page; ``title`` is plain text, ``style`` CSS, ``body`` HTML."""
    return _PAGE.format(title=text(title), style=style, body=body)


def text(value: object) -> str:
    """Escapes a user's text for HTML. Replaces lone surrogates (of file names that are not Unicode): UTF-8 has none."""
    return html.escape(str(value).encode("utf-8", "backslashreplace").decode())


def words(value: str) -> str:
    """Escapes a user's text so that lines break only at spaces.

    A browser would break a command after the first hyphen of ``--lr``.
    """
    return " ".join(f'<span class="word">{text(word)}</span>' for word in value.split(" "))


def image_tag(image: Image, alt: str, width: int, height: int, kind: Literal["jpeg", "png"] = "jpeg") -> str:
    """Returns an ``<img>`` with embedded data, ``width`` by ``height`` CSS pixels; ``alt`` is plain text."""
    data = base64.b64encode(encoded(image, kind)).decode()
    return f'<img alt="{text(alt)}" width="{width}" height="{height}" src="data:image/{kind};base64,{data}">'


def encoded(image: Image, kind: Literal["jpeg", "png"]) -> bytes:
    """Encodes uint8 ``[H, W, 3]`` RGB as an image file."""
    jpeg, png = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY], [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
    _, data = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), jpeg if kind == "jpeg" else png)
    return data.tobytes()
