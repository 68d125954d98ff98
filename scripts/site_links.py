"""Checks a built site: every link and anchor leads somewhere, and no page loads anything from another host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
_CSS_URL = re.compile(r"""(?:url\(|@import\s)\s*["']?(?!data:|#)([^"')\s]+)""")


@dataclass
class _Page(HTMLParser):
    """The anchors and links of a page, and what a browser loads with it."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif source := given.get(_LOADED.get(tag, "")):
            self.loaded.append(source)


def faults(site: Path) -> list[str]:
    """One line for each fault."""
    pages = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        found += [f"{where}: loads {one}" for one in page.loaded if urlsplit(one).netloc]
        if path.name == "404.html":  # a server shows it at any address; its links begin at the root
            continue
        targets = [*page.links, *page.loaded]
        found += [f"{where}: {one}: {why}" for one in targets if (why := _broken(one, path, pages, site))]
    return [*found, *_styles(site)]


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text())
    return page


def _broken(link: str, path: Path, pages: dict[Path, _Page], site: Path) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if site.resolve() not in (target, *target.parents):
        return "leaves the site"
    if target.is_dir():
        target /= "index.html"  # as servers do
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].ids:
        return "no such anchor"
    return ""


def _styles(site: Path) -> Iterator[str]:
    for path in sorted(site.rglob("*.css")):
        for address in _CSS_URL.findall(path.read_text()):
            if urlsplit(address).netloc:
                yield f"{path.relative_to(site)}: loads {address}"
