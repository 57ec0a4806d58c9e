"""One webmon for all that is tested of w.js, a website, and its visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.snippet.visit import Visit
from tests.support.server import WebmonServer
from tests.support.website import Website, page

# The site `localhost` is told by where its pages are; the others by name, which takes one request more.
SITES = {
    "localhost": ["--mode", "cookieless_always"],
    "asks.example": [],
    "until.example": ["--mode", "cookieless_until_consent"],
    "dnt.example": ["--mode", "cookieless_always", "--dnt"],
}


@pytest.fixture(scope="package")
def webmon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path_factory.mktemp("snippet") / "data")
    for domain, options in SITES.items():
        server.run("site", "add", domain, *options)
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="package")
def key(webmon: WebmonServer) -> str:
    return webmon.last_line("key", "add", "--site", "localhost", "--scope", "stats")


@pytest.fixture
def site(webmon: WebmonServer) -> Iterator[Website]:
    made = Website({"/": page(webmon.url), "/b": page(webmon.url, title="B")})
    yield made
    made.close()


@pytest.fixture
def visit(browser: Browser, webmon: WebmonServer) -> Iterator[Callable[..., Visit]]:
    made: list[Visit] = []

    def make(**options: Any) -> Visit:
        made.append(Visit(browser, webmon, **options))
        return made[-1]

    yield make
    for one in made:
        one.context.close()
        assert one.errors == []
