"""The live page's own files: they come with the package and need no network."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from edgecnn.serving.http.answers import refusal

__all__ = ["PageEndpoint"]

_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


class PageEndpoint:
    """Serves the files of :mod:`edgecnn.serving.page` from memory, by their names alone."""

    def __init__(self) -> None:
        folder = files("edgecnn.serving") / "page"
        self._files = {
            file.name: (file.read_bytes(), _TYPES[suffix])
            for file in folder.iterdir()
            if (suffix := f".{file.name.rpartition('.')[2]}") in _TYPES
        }

    async def __call__(self, request: Request) -> Response:
        """The page, or one of its files."""
        found = self._files.get(request.path_params.get("file", "index.html"))
        if found is None:
            return refusal(404, "no such file of the page")
        content, media_type = found
        return Response(content, media_type=media_type)
