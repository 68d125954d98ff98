"""docs/api.md lists what the service answers."""

from __future__ import annotations

import re
from pathlib import Path

from serving.running import TESTS, running

from edgecnn.serving.http.metrics.reasons import KINDS

PAGE = (TESTS.parent / "docs" / "api.md").read_text()


def test_every_path_is_on_the_page(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        routes = service._server._server.config.app._app.routes
    assert len(routes) > 10
    listed = set(re.findall(r"`[A-Z]+ (/[^` ]*)`", PAGE))
    below = {
        f"{path}{more}" for path in listed if path.endswith("/versions/{version}") for more in ("/ready", "/infer")
    }
    paths = {route.path for route in routes}
    assert paths - listed - below == set()
    assert listed - paths == set()


def test_every_kind_of_reason_is_on_the_page() -> None:
    assert {kind for kind in KINDS if kind and f"`{kind}`" not in PAGE} == set()
