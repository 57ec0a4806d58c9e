"""What asking for consent costs a visitor: bytes, and the time until the question is painted on a slow machine."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from bench.machine import wait_for_rest
from tests.support.need_chromium import find_chromium
from tests.support.server import WebmonServer
from tests.support.website import Website

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "node_modules" / "vanilla-cookieconsent" / "dist"
SLOW_DOWN = 4
# When the question stood on the page and was painted, and the longest task until half a second later.
WATCH = """
window.tasks = [];
const keep = list => tasks.push(...list.getEntries().map(one => one.duration));
new PerformanceObserver(keep).observe({type: "longtask"});
new MutationObserver((_, me) => {
  if (!document.querySelector("[data-webmon=banner],#cc-main .cm,#plain")) return;
  me.disconnect();
  requestAnimationFrame(() => setTimeout(() => {
    const painted = performance.now();
    setTimeout(() => console.log(JSON.stringify([painted - began, Math.max(0, ...tasks)])), 500);
  }));
}).observe(document, {childList: true, subtree: true});
"""
# Deferred scripts run in their order: the time before webmon's, or the other's, begins to run.
BEGAN = "window.began = performance.now();"
# The least that can be: a script that holds its text puts up a box with three buttons, and asks nobody for anything.
PLAIN = """
const box = document.createElement("div");
box.id = "plain";
box.style.cssText = "position:fixed;inset:auto 0 0;background:#fff";
box.innerHTML = "<h2>May we?</h2><p>Cookies.</p><button>No</button><button>Yes</button><button>Choose</button>";
document.body.append(box);
"""
START_PEER = """
CookieConsent.run({
  hideFromBots: false,
  categories: {necessary: {enabled: true, readOnly: true}, analytics: {}},
  language: {default: "en", translations: {en: {
    consentModal: {title: "May we?", description: "Cookies.", acceptAllBtn: "Yes", acceptNecessaryBtn: "No",
      showPreferencesBtn: "Choose"},
    preferencesModal: {title: "Choose", acceptAllBtn: "Yes", acceptNecessaryBtn: "No", savePreferencesBtn: "Save",
      sections: [{title: "Figures", description: "Counts.", linkedCategory: "analytics"}]},
  }}},
});
"""


@dataclass(frozen=True)
class Paint:
    """Milliseconds from the beginning of a page's script to its painted question, and of the longest task."""

    took: float
    longest_task: float


def sizes() -> dict[str, int]:
    """Return bytes, compressed with brotli, by product (`static/sizes.mjs`)."""
    done = subprocess.run(["node", ROOT / "static" / "sizes.mjs"], capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def paint(folder: Path, runs: int) -> dict[str, Paint]:
    """Return how long the question takes, medians of runs in turn: webmon's, another's, and the least that can be."""
    server = WebmonServer(folder)
    server.run("site", "add", "localhost")
    server.start()
    site = Website(_pages(server.url))
    seen: dict[str, list[Paint]] = {"webmon": [], "vanilla-cookieconsent": [], "plain": []}
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            for _ in range(runs):
                for name, found in seen.items():
                    found.append(_one_paint(browser, f"{site.url}/{name}"))
            browser.close()
    finally:
        site.close()
        server.stop()
    return {name: Paint(_median(found, "took"), _median(found, "longest_task")) for name, found in seen.items()}


def _pages(webmon: str) -> dict[str, str]:
    def asking(head: str) -> str:
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Home</title>'
            f'<script defer src="/began.js"></script>{head}</head><body><h1>Home</h1></body></html>'
        )

    peer = '<link rel="stylesheet" href="/peer.css"><script defer src="/peer.js"></script>'
    return {
        "/webmon": asking(f'<script defer src="{webmon}/w.js" data-site="localhost"></script>'),
        "/vanilla-cookieconsent": asking(f'{peer}<script defer src="/start.js"></script>'),
        "/plain": asking('<script defer src="/plain.js"></script>'),
        "/began.js": BEGAN,
        "/plain.js": PLAIN,
        "/start.js": START_PEER,
        "/peer.js": (PEER / "cookieconsent.umd.js").read_text("utf-8"),
        "/peer.css": (PEER / "cookieconsent.css").read_text("utf-8"),
    }


def _one_paint(browser: Browser, url: str) -> Paint:
    context = browser.new_context()
    opened = context.new_page()
    # With every window Chromium loads pages of its own, which keep a processor busy for a second.
    wait_for_rest(os.getpid())
    context.new_cdp_session(opened).send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
    opened.add_init_script(WATCH)
    # The page tells by itself: to be asked, it would first have to run what asks, and be the slower for it.
    with opened.expect_console_message() as told:
        opened.goto(url, wait_until="commit")
    took, longest = json.loads(told.value.text)
    context.close()
    return Paint(float(took), float(longest))


def _median(found: list[Paint], name: str) -> float:
    return statistics.median(getattr(one, name) for one in found)
