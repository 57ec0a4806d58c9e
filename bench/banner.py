"""What asking for consent costs a visitor: bytes, and the time until the question is painted on a slow machine."""

from __future__ import annotations

import json
import statistics
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.need_chromium import find_chromium
from tests.support.server import WebmonServer
from tests.support.website import Website, page

ROOT = Path(__file__).resolve().parent.parent
SLOW_DOWN = 4
# When w.js began to run, when the question stood on the page and was painted, and the longest task meanwhile.
WATCH = """
window.tasks = [];
const keep = list => tasks.push(...list.getEntries().map(one => one.duration));
new PerformanceObserver(keep).observe({type: "longtask"});
new MutationObserver((_, me) => {
  if (!document.querySelector("[data-webmon=banner]")) return;
  me.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.painted = performance.now(); }));
}).observe(document, {childList: true, subtree: true});
"""
BEGAN = "performance.getEntriesByType('resource').find(one => one.name.includes('/w.js')).responseEnd"


def sizes() -> dict[str, int]:
    """Return bytes, compressed with brotli, by product (`static/sizes.mjs`)."""
    done = subprocess.run(["node", ROOT / "static" / "sizes.mjs"], capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout)
    return found


def paint(folder: Path, runs: int) -> tuple[float, float]:
    """Return the milliseconds from w.js to the painted question and the longest task, medians of several runs."""
    server = WebmonServer(folder)
    server.run("site", "add", "localhost")
    server.start()
    site = Website({"/": page(server.url)})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            seen = [_one_paint(browser, site.url) for _ in range(runs)]
            browser.close()
    finally:
        site.close()
        server.stop()
    return statistics.median(one[0] for one in seen), statistics.median(one[1] for one in seen)


def _one_paint(browser: Browser, url: str) -> tuple[float, float]:
    context = browser.new_context()
    opened = context.new_page()
    context.new_cdp_session(opened).send("Emulation.setCPUThrottlingRate", {"rate": SLOW_DOWN})
    opened.add_init_script(WATCH)
    opened.goto(f"{url}/")
    opened.wait_for_function("window.painted")
    took, longest = opened.evaluate(f"[painted - {BEGAN}, Math.max(0, ...tasks)]")
    context.close()
    return float(took), float(longest)
