"""Programs that ask for pages: told by their user agent, from a maintained list (crawler-user-agents, MIT)."""

from __future__ import annotations

import re
from functools import lru_cache

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

# Tools and libraries that name themselves, and headless browsers.
_TOOLS = (
    r"headlesschrome|phantomjs|puppeteer|playwright|selenium|electron/.*headless",
    r"^(?:curl|wget|python|java|go-http-client|okhttp|axios|node|undici|ruby|perl|php|libwww|apache-httpclient|apachebench|ab)\b",
    r"\b(?:bot|crawler|spider|scraper|archiver|feedburner|feedparser|slurp|mediapartners)\b",
    r"(?<!cu)bot(?:[/;)\s_-]|$)|crawl(?:er|ing)|spider",
    r"https?://",  # browsers carry no address; programs give one for complaints
)
_PATTERN = re.compile(
    "|".join(f"(?:{entry['pattern']})" for entry in CRAWLER_USER_AGENTS_DATA if entry["pattern"] != "bot")
)
_TOOL_PATTERN = re.compile("|".join(f"(?:{tool})" for tool in _TOOLS), re.IGNORECASE)
LONGEST_AGENT = 512


@lru_cache(maxsize=20_000)
def is_bot(user_agent: str) -> bool:
    """Whether a program, not a person's browser, sends this user agent. An empty one is a program's."""
    text = user_agent[:LONGEST_AGENT].strip()
    return not text or _TOOL_PATTERN.search(text) is not None or _PATTERN.search(text) is not None
