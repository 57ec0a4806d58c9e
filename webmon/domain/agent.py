"""Browser, operating system and device, from the user agent and the client hints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from user_agents import parse

LONGEST_AGENT = 512
_HINTS = (
    "sec-ch-ua",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "sec-ch-ua-mobile",
)

# ua-parser's family names, in the words of this field (Plausible).
_BROWSERS = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Mobile App",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Mobile App",
    "Edge Mobile": "Microsoft Edge",
    "Edge": "Microsoft Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Opera Mobile": "Opera",
    "Opera Mini": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Samsung Internet": "Samsung Browser",
    "DuckDuckGo Mobile": "DuckDuckGo Privacy Browser",
    "DuckDuckGo": "DuckDuckGo Privacy Browser",
    "Other": "",
}
_SYSTEMS = {
    "Mac OS X": "Mac",
    "macOS": "Mac",
    "Linux": "GNU/Linux",
    "Chromium OS": "Chrome OS",
    "Other": "",
}
_HINT_BRANDS = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Microsoft Edge",
    "Opera": "Opera",
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
}
_HINT_SYSTEMS = {"macOS": "Mac", "Linux": "GNU/Linux", "Chromium OS": "Chrome OS"}
_BRAND = re.compile(r'"([^"]*)";\s*v="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Agent:
    """`device` is Desktop, Mobile or Tablet; texts are empty where nothing is known, versions are major.minor."""

    browser: str = ""
    browser_version: str = ""
    os: str = ""
    os_version: str = ""
    device: str = ""


def parse_agent(user_agent: str, hints: Mapping[str, str] | None = None) -> Agent:
    """Return what the user agent says, corrected by client hints where sent.

    Chromium freezes its user agent; the hints hold the true version and platform (https://wicg.github.io/ua-client-hints/).
    """
    agent = _parsed(user_agent[:LONGEST_AGENT])
    if not hints or "sec-ch-ua" not in hints:
        return agent
    return _corrected(agent, *(hints.get(name, "")[:LONGEST_AGENT] for name in _HINTS))


@lru_cache(maxsize=20_000)
def _parsed(user_agent: str) -> Agent:
    if not user_agent:
        return Agent()
    found = parse(user_agent)
    browser = _BROWSERS.get(found.browser.family, found.browser.family)
    system = _SYSTEMS.get(found.os.family, found.os.family)
    version = "" if browser == "Mobile App" else _short(found.browser.version)
    return Agent(browser, version if browser else "", system, _short(found.os.version), _device(found, system))


def _device(found: object, system: str) -> str:
    for kind in ("tablet", "mobile", "pc"):
        if getattr(found, f"is_{kind}"):
            return {"tablet": "Tablet", "mobile": "Mobile", "pc": "Desktop"}[kind]
    return {"Android": "Mobile", "iOS": "Mobile"}.get(system, "Desktop" if system else "")


def _short(version: tuple[object, ...]) -> str:
    return ".".join(str(part) for part in version[:2])


@lru_cache(maxsize=20_000)
def _corrected(agent: Agent, brands: str, full: str, platform: str, platform_version: str, mobile: str) -> Agent:
    browser, version = agent.browser, agent.browser_version
    for name, number in _BRAND.findall(full or brands):
        if name in _HINT_BRANDS:
            browser = _HINT_BRANDS[name]
            version = ".".join(number.split(".")[:2]) if full else version or number
    system = platform.strip('" ')
    system = _HINT_SYSTEMS.get(system, system) or agent.os
    system_version = agent.os_version if system == agent.os else ""
    if platform_version:
        system_version = _system_version(system, platform_version.strip('" '))
    device = "Mobile" if mobile == "?1" and agent.device == "Desktop" else agent.device
    return Agent(browser, version, system, system_version, device)


def _system_version(system: str, hint: str) -> str:
    """Windows counts its platform version anew: 13 and above is Windows 11."""
    major = hint.partition(".")[0]
    if system == "Windows" and major.isdecimal():
        return "11" if int(major) >= 13 else "10" if int(major) >= 1 else ""
    return ".".join(hint.split(".")[:2])
