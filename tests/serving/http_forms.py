"""Multipart forms, as a browser sends them."""

from __future__ import annotations

import uuid


def form(content: bytes, name: str = "cat.png", field: str = "file") -> tuple[bytes, dict[str, str]]:
    """Body and headers of a form with one file."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}
