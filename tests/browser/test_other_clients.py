"""Clients of the Events API that websites use already, unchanged, out of npm, in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.need_chromium import find_chromium
from tests.support.server import BROWSER, ROOT, WebmonServer, wait_until
from tests.support.website import Website

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("snippet")]
# Their clients send nothing from localhost.
DOMAIN = "clinic.example"
CLIENTS = {
    "plausible-tracker": """
        import Plausible from "plausible-tracker";
        const client = Plausible({ domain: "DOMAIN", apiHost: "WEBMON", hashMode: HASH });
        client.enableAutoPageviews();
        window.signUp = () => client.trackEvent("Signup", { props: { plan: "pro" } });
    """,
    "@plausible-analytics/tracker": """
        import { init, track } from "@plausible-analytics/tracker";
        init({ domain: "DOMAIN", endpoint: "WEBMON/api/event", hashBasedRouting: HASH });
        window.signUp = () => track("Signup", { props: { plan: "pro" } });
    """,
}
# How a page leads on whose website is routed by what stands behind `#`, as each client hears of it once.
BY_HASH = {
    "plausible-tracker": "history.pushState({}, '', '#prices')",
    "@plausible-analytics/tracker": "location.hash = 'prices'",
}


@pytest.fixture
def webmon(tmp_path: Path) -> Iterator[WebmonServer]:
    server = WebmonServer(tmp_path / "data")
    server.run("site", "add", DOMAIN, "--mode", "cookieless_always")
    server.start()
    yield server
    assert server.stop() == 0


def bundled(client: str, webmon: WebmonServer, folder: Path, *, by_hash: bool) -> str:
    """The client as a website's own build would ship it."""
    esbuild = ROOT / "node_modules" / ".bin" / "esbuild"
    if not (ROOT / "node_modules" / client).exists() or not esbuild.exists():
        assert shutil.which("npm"), "This test bundles npm packages: install Node and npm, or run it where they are."
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=ROOT, check=True)
    entry = folder / "site.js"
    source = CLIENTS[client].replace("DOMAIN", DOMAIN).replace("WEBMON", webmon.url)
    entry.write_text(source.replace("HASH", json.dumps(by_hash)), "utf-8")
    done = subprocess.run(
        [esbuild, entry, "--bundle", "--log-level=error"],
        env=os.environ | {"NODE_PATH": str(ROOT / "node_modules")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("by_hash", [False, True])
@pytest.mark.parametrize("client", CLIENTS)
def test_its_page_views_and_events_are_in_the_event_log(
    client: str, browser: Browser, webmon: WebmonServer, tmp_path: Path, *, by_hash: bool
) -> None:
    page = '<!doctype html><title>Clinic</title><h1>Clinic</h1><script src="/site.js"></script>'
    site = Website({"/": page, "/site.js": bundled(client, webmon, tmp_path, by_hash=by_hash)})
    port = site.url.rpartition(":")[2]
    # They send nothing from a browser that says it is driven by a program, and this one is not at that domain.
    own = browser.browser_type.launch(
        executable_path=find_chromium(),
        args=[
            "--no-sandbox",
            "--disable-blink-features=AutomationControlled",
            f"--host-resolver-rules=MAP {DOMAIN} 127.0.0.1",
            f"--user-agent={BROWSER}",
        ],
    )
    try:
        visited = own.new_page()
        errors: list[str] = []
        visited.on("pageerror", lambda error: errors.append(str(error)))
        visited.goto(f"http://{DOMAIN}:{port}/")
        following = "/#prices" if by_hash else "/prices"
        visited.evaluate(BY_HASH[client] if by_hash else "history.pushState({}, '', '/prices')")
        visited.evaluate("signUp()")
        key = webmon.last_line("key", "add", "--site", DOMAIN, "--scope", "stats")

        def found() -> dict[str, Any]:
            visited.evaluate("1")  # the browser goes on
            asked = {"site_id": DOMAIN, "metrics": ["events", "visitors"], "date_range": "day"}
            rows = webmon.query(key, **asked, dimensions=["event:name", "event:page"])["results"]
            return {" ".join(row["dimensions"]): row["metrics"] for row in rows}

        expected = {"pageview /": [1, 1], f"pageview {following}": [1, 1], f"Signup {following}": [1, 1]}
        wait_until(lambda: found() == expected, 10, "they are counted", lambda: json.dumps(found()))
        assert errors == []
    finally:
        own.close()
        site.close()
