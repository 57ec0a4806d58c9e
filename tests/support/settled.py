"""A moment in a page after everything that it began by itself: for tests of what does not happen."""

from __future__ import annotations

from playwright.sync_api import Page


def settle(opened: Page) -> None:
    """Have the page ask for something of its own and get it: what it had begun to ask for before is known by then."""
    opened.evaluate("fetch(location.href, {cache: 'no-store'}).then((answer) => answer.text())")
