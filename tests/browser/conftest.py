from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from tests.support.demo import Demo
from tests.support.need_chromium import find_chromium


# Not for the session: while Playwright runs, no other test of this process can have an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield launched
        launched.close()


CONTEXTS = pytest.StashKey[list[BrowserContext]]()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Browsers close before any server stops: what they are still loading would be logged as an error."""
    for context in item.stash.get(CONTEXTS, []):
        context.close()


@pytest.fixture
def person(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., BrowserContext]]:
    """Somebody with a browser of their own; whatever a page logs as an error fails the test."""
    contexts = request.node.stash.setdefault(CONTEXTS, [])
    errors: list[str] = []

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        contexts.append(context)
        return context

    yield make
    assert errors == []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("demo"))
    made.start()
    yield made
    assert made.stop() == 0, made.said()
