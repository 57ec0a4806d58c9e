"""Where a visit came from: the referrer and the campaign parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from webmon.domain.scrub import scrub_path, scrub_text

REFERRER_LIMIT = 500

# Name and medium of hosts, by registrable name: the label before the public suffix, or a whole host. Own table.
_SEARCH = {
    "google": "Google",
    "bing": "Bing",
    "duckduckgo": "DuckDuckGo",
    "yahoo": "Yahoo!",
    "yandex": "Yandex",
    "baidu": "Baidu",
    "ecosia": "Ecosia",
    "qwant": "Qwant",
    "startpage": "Startpage",
    "search.brave.com": "Brave",
    "kagi": "Kagi",
    "naver": "Naver",
    "sogou": "Sogou",
    "ask": "Ask",
    "aol": "AOL",
    "seznam": "Seznam",
}
_SOCIAL = {
    "facebook": "Facebook",
    "fb": "Facebook",
    "instagram": "Instagram",
    "twitter": "Twitter",
    "t.co": "Twitter",
    "x.com": "Twitter",
    "linkedin": "LinkedIn",
    "lnkd.in": "LinkedIn",
    "reddit": "Reddit",
    "pinterest": "Pinterest",
    "tiktok": "TikTok",
    "threads": "Threads",
    "bsky.app": "Bluesky",
    "mastodon": "Mastodon",
    "news.ycombinator.com": "Hacker News",
    "lobste.rs": "Lobsters",
    "vk": "Vkontakte",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
    "t.me": "Telegram",
    "quora": "Quora",
    "tumblr": "Tumblr",
    "discord": "Discord",
    "slack": "Slack",
}
_VIDEO = {"youtube": "YouTube", "youtu.be": "YouTube", "vimeo": "Vimeo", "twitch": "Twitch"}
_CHATBOT = {
    "chatgpt.com": "ChatGPT",
    "chat.openai.com": "ChatGPT",
    "perplexity": "Perplexity",
    "claude.ai": "Claude",
    "gemini.google.com": "Gemini",
    "copilot.microsoft.com": "Copilot",
    "chat.deepseek.com": "DeepSeek",
    "chat.mistral.ai": "Mistral",
}
_EMAIL = {"mail.google.com": "Gmail", "mail.yahoo": "Yahoo! Mail", "outlook": "Outlook", "mail.live.com": "Outlook"}
_KNOWN = {
    name: (shown, medium)
    for medium, table in (
        ("search", _SEARCH),
        ("social", _SOCIAL),
        ("video", _VIDEO),
        ("chatbot", _CHATBOT),
        ("email", _EMAIL),
    )
    for name, shown in table.items()
}
_BY_NAME = {shown.lower(): shown for shown, _ in _KNOWN.values()} | {
    "fb": "Facebook",
    "ig": "Instagram",
    "yt": "YouTube",
}
_SECOND_LEVEL = frozenset({"co", "com", "org", "net", "ac", "gov", "edu"})
# In the order in which they are believed (channels.json).
_SOURCE_PARAMETERS = ("utm_source", "source", "ref")


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is empty for a direct visit; `referrer` is host and path, scrubbed, without query and fragment."""

    name: str = ""
    medium: str = ""
    referrer: str = ""


DIRECT = Source()


def source_of(referrer: str, page_host: str, query: Mapping[str, str]) -> Source:
    """Return the source of a page view on `page_host` with these (scrubbed) query parameters."""
    found = _referred(referrer, page_host.removeprefix("www."))
    said = next((query[name] for name in _SOURCE_PARAMETERS if query.get(name)), "")
    if not said:
        return found
    name = _BY_NAME.get(said.lower(), "") or _named(said.lower().removeprefix("www."))[0] or said
    return Source(name, query.get("utm_medium", "").lower() or found.medium, found.referrer)


@lru_cache(maxsize=4096)
def _referred(referrer: str, page_host: str) -> Source:
    try:
        parts = urlsplit(referrer.strip())
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return DIRECT
    if parts.scheme == "android-app":
        return Source(scrub_text(host).value, "app", scrub_text(host).value)
    if parts.scheme not in {"http", "https"} or not host or host == page_host:
        return DIRECT
    name, medium = _named(host)
    host = scrub_text(host).value[:253]
    path = scrub_path(parts.path).value.rstrip("/")
    return Source(name or host, medium or "referral", (host + path)[:REFERRER_LIMIT])


def _named(host: str) -> tuple[str, str]:
    """Return the known name and medium of a host, or empty texts: the most specific entry wins."""
    labels = host.split(".")
    for start in range(len(labels) - 1):
        rest = labels[start:]
        for key in (".".join(rest), ".".join(rest[:-1])):
            if key in _KNOWN and (key != rest[0] or _is_suffix(rest[1:])):
                return _KNOWN[key]
        if len(rest) > 2 and rest[-2] in _SECOND_LEVEL and ".".join(rest[:-2]) in _KNOWN:
            return _KNOWN[".".join(rest[:-2])]
    return "", ""


def _is_suffix(labels: list[str]) -> bool:
    """Whether what follows a bare name can be a public suffix: `google.co.uk`, not `google.evil.example`."""
    return len(labels) == 1 or (len(labels) == 2 and labels[0] in _SECOND_LEVEL)
