"""The live page's own files: they come with the package and need no network."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.http.answers import refusal

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = ["PageEndpoint"]

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


class PageEndpoint:
    """Serves the files of ``edgecnn/serving/page`` from memory. No request reaches the file system."""

    def __init__(self) -> None:
        self._files = dict(_read(files("edgecnn.serving") / "page", ""))

    async def __call__(self, request: Request) -> Response:
        """The page, or one of its files."""
        found = self._files.get(request.path_params.get("file", "index.html"))
        if found is None:
            return refusal(404, "no such file of the page")
        content, media_type = found
        return Response(content, media_type=media_type)


def _read(folder: Traversable, path: str) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Yields path, content and media type of every file in a folder and below it."""
    for entry in folder.iterdir():
        media_type = _TYPES.get(f".{entry.name.rpartition('.')[2]}")
        if entry.is_dir():
            yield from _read(entry, f"{path}{entry.name}/")
        elif media_type is not None:
            yield f"{path}{entry.name}", (entry.read_bytes(), media_type)
