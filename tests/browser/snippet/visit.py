"""A visitor of a website with w.js: a browser of its own, and what it asks of webmon."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Browser, Page, Request

from tests.support.server import BROWSER, WebmonServer, wait_until
from tests.support.website import Website

ALL = 'data-track="outbound downloads forms 404 events"'
LONG = '<div style="height:5000px">long</div>'


class Visit:
    """A browser of its own, and what it asks of webmon. A page must never hear of an error."""

    def __init__(self, browser: Browser, webmon: WebmonServer, **options: Any) -> None:
        self.context = browser.new_context(user_agent=BROWSER, **options)
        self.webmon = webmon
        self.errors: list[str] = []
        self.asked: list[Request] = []
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))
        self.context.on("request", self._asks)
        self.page: Page = self.context.new_page()

    def _asks(self, asked: Request) -> None:
        if asked.url.startswith(self.webmon.url):
            self.asked.append(asked)

    def hits(self, name: str = "") -> list[dict[str, Any]]:
        found = [json.loads(one.post_data or "") for one in self.asked if one.url.endswith("/api/event")]
        return [hit for hit in found if name in {"", hit["name"]}]

    def wait_for(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Let the page run until it has sent that many."""
        wait_until(lambda: self.settled() and len(self.hits(name)) >= count, 10, f"{count} of {name}", self.hits)
        found = self.hits(name)
        assert len(found) == count, found
        return found

    def loaded(self) -> list[str]:
        self.settled()
        paths = [one.url.partition("?")[0] for one in self.asked]
        names = [path.rpartition("/")[2].partition(".")[0] for path in paths if path.endswith(".js")]
        return sorted(set(names))

    def settled(self) -> bool:
        self.page.evaluate("new Promise(done => setTimeout(done))")
        return True

    def marked(self) -> list[dict[str, Any]]:
        """Send an event of the page's own, and return all hits before it: nothing else is on its way then."""
        assert self.page.evaluate("webmon.track('Mark')") is True
        return self.hits()[:-1]

    def cookies(self) -> dict[str, str]:
        return {one.get("name", ""): one.get("value", "") for one in self.context.cookies("http://localhost")}


def paths(site: Website, hits: list[dict[str, Any]]) -> list[str]:
    return [hit["url"].removeprefix(site.url) for hit in hits]
