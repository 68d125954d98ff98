"""The live page and the service's token."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from page_visit import Visit, Watched, needs_chromium
from playwright.sync_api import expect

pytestmark = needs_chromium


def test_a_change_without_the_token_asks_for_it(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service, token=None)
    page.shows("#decision-label", "circle")
    page.shows("#access-state", "read-only")
    page.page.click("#rollback-main")
    page.page.click("#confirm-ok")
    page.page.fill("#token-field", "wrong")
    page.page.click("#token-ok")
    page.shows("#token-text", re.compile("did not accept"))
    assert watched.part.asked == []
    page.page.fill("#token-field", watched.service.token)
    page.page.keyboard.press("Enter")
    page.shows("#models-message", "the previous model serves again")
    assert watched.part.asked == [("/api/rollback", None)]
    page.forgive("401")


def test_a_service_that_others_reach_shows_nothing_without_the_token(
    watched: Watched, visit: Callable[..., Visit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecnn.serving.http.access.is_loopback", lambda host: False)
    page = visit(watched.service, token=None)
    page.shows("#token-text", "The service needs its token.")
    page.page.keyboard.press("Escape")
    page.shows("#banner-reason", "Not connected: the service needs the token.")
    assert page.page.locator("section:visible").count() == 1  # the empty list of events
    page.page.click("#access")
    page.page.fill("#token-field", watched.service.token)
    page.page.click("#token-ok")
    page.shows("#decision-label", "circle")
    expect(page.page.locator("#live-image")).to_be_visible()
    page.forgive("401")


def test_the_token_leaves_the_address_bar(watched: Watched, visit: Callable[..., Visit]) -> None:
    page = visit(watched.service)
    page.shows("#access-state", "token entered")
    assert page.page.url == watched.service.url + "/"
    assert watched.service.token not in page.page.content()
    assert page.page.evaluate("localStorage.length") == 0
    page.page.reload()
    page.shows("#access-state", "token entered")
    page.page.click("#access")
    page.shows("#access-state", "read-only")
