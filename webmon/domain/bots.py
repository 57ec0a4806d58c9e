"""Programs that ask for pages, told by their user agent: a maintained list (crawler-user-agents, MIT) and rules."""

from __future__ import annotations

import re
from functools import lru_cache

from crawleruseragents import CRAWLER_USER_AGENTS_DATA

LONGEST_AGENT = 512

# What programs say of themselves, in any case of letters. CUBOT makes telephones.
_WORDS = (
    r"headlesschrome|phantomjs|puppeteer|playwright|selenium|electron/.*headless|chrome-lighthouse",
    r"^(?:curl|wget|python|java|go-http-client|okhttp|axios|node|undici|ruby|perl|php|libwww|apache-httpclient"
    r"|apachebench|ab|dalvik|postman\w*|insomnia|httpie|dart|reqwest|rust|guzzle\w*|faraday)\b",
    r"\b(?:bot|crawler|spider|scraper|archiver|feedburner|feedparser|slurp|mediapartners|validator|fetcher|favicon)\b",
    r"(?<!cu)bots?(?:[/;)\s_-]|$)|crawl(?:er|ing)|spider",
    r"https?://|www\.\w",  # browsers carry no address; programs give one for complaints
    r"@[a-z][\w-]*\.[a-z]{2}",
    r"cfnetwork/",  # an app's own request, not its web view's
    r"^mozilla/\d\.\d \(compatible;?\s*\)$",
)
_WORD = re.compile("|".join(f"(?:{word})" for word in _WORDS), re.IGNORECASE)
# A browser says where it runs, in brackets, or what it is built on; the first telephones name their profile.
_BROWSER = re.compile(
    r"\(|gecko|webkit|presto|trident|profile/|midp|browser|opera|lynx/|w3m/|blackberry|nokia", re.IGNORECASE
)
# The list's own entry "bot" would take CUBOT's telephones along; `_WORDS` has it with care.
_LISTED = re.compile(
    "|".join(f"(?:{entry['pattern']})" for entry in CRAWLER_USER_AGENTS_DATA if entry["pattern"] != "bot")
)


@lru_cache(maxsize=20_000)
def is_bot(user_agent: str) -> bool:
    """Whether a program, not a person's browser, sends this user agent. An empty one is a program's."""
    text = user_agent[:LONGEST_AGENT].strip()
    return _BROWSER.search(text) is None or _WORD.search(text) is not None or _LISTED.search(text) is not None
