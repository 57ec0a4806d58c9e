"""Browser, operating system and device, from the user agent and the client hints.

`user-agents` judges the device, `ua-parser` reads families and versions; the tables below put their answers into the
words of this field (Plausible's, after device-detector) and add what they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from webmon.domain.scrub import scrub_text

if TYPE_CHECKING:
    import ua_parser

LONGEST_AGENT = 512
MOBILE_APP = "Mobile App"
HINTS = (
    "sec-ch-ua",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-full-version",
    "sec-ch-ua-platform",
    "sec-ch-ua-platform-version",
    "sec-ch-ua-mobile",
    "sec-ch-ua-model",
)

# ua-parser's families, where this field has another word.
_BROWSERS = {
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": MOBILE_APP,
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": MOBILE_APP,
    "Edge Mobile": "Microsoft Edge",
    "Edge": "Microsoft Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Opera Mobile": "Opera",
    "Opera Mini": "Opera",
    "Opera Tablet": "Opera",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Chrome Frame": "Internet Explorer",
    "Samsung Internet": "Samsung Browser",
    "DuckDuckGo Mobile": "DuckDuckGo Privacy Browser",
    "DuckDuckGo": "DuckDuckGo Privacy Browser",
    "Huawei Browser": "Huawei Browser Mobile",
    "Amazon Silk": "Mobile Silk",
    "Android": "Android Browser",
    "BlackBerry WebKit": "BlackBerry Browser",
    "MiuiBrowser": "MIUI Browser",
    "Epiphany": "GNOME Web",
    "Ecosia iOS": "Ecosia",
    "Ecosia Android": "Ecosia",
    "Whale": "Whale Browser",
    "CocCoc": "Coc Coc",
}
_SYSTEMS = {
    "Mac OS X": "Mac",
    "macOS": "Mac",
    "Linux": "GNU/Linux",
    "ATV OS X": "tvOS",
}
_UNKNOWN = "Other"
# Programs with a web view inside: what is shown is a page, what shows it is the app.
_APP = re.compile(
    r"\bFB(?:A[NV]|_IAB)/|\bInstagram |\bNAVER\(inapp|\bLine/|\bKAKAOTALK|\bMicroMessenger/|\bSnapchat|\bPinterest/|"
    r"\bTikTok|\bmusical_ly|\bBytedanceWebview|\bLinkedInApp|\bTwitter for |\bGSA/|\bWhatsApp/|; wv\)"
)
_OWN_REQUEST = re.compile(r"\bCFNetwork/")  # an app's, under the app's own name
_VERSION_PART = re.compile(r"\d{1,5}|[A-Za-z]{1,8}\d{0,2}")
# With Chrome's engine in a plug-in it is what it was, and says the plug-in's version besides.
_CHROME_FRAME = re.compile(r"\bMSIE (\d+(?:\.\d+)?).*\bchromeframe\b")
_BROWSER_IN_TV = re.compile(r"^HbbTV/.*\bChrome/(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class _System:
    """A system that ua-parser misses or names otherwise. Where the pattern has a group, it holds the version."""

    pattern: re.Pattern[str]
    name: str
    device: str = ""


# First match wins.
_MISSED_SYSTEMS = (
    _System(re.compile(r"\bChromebook\b(?:[^)]* Build/R\d+-([\d.]+))?"), "Chrome OS", "Desktop"),
    _System(re.compile(r"\bAppleTV[\d,]*; CPU OS ([\d._]+)"), "tvOS", "Desktop"),
    _System(re.compile(r"\bKAIOS/([\d.]+)", re.IGNORECASE), "KaiOS", "Mobile"),
    _System(re.compile(r"\bWindows NT 11\.0"), "Windows", "Desktop"),
    _System(re.compile(r"\biPad; (?:U; )?CPU (?:iPhone )?OS ((?:1[3-9]|[2-9]\d)[\d_]*)"), "iPadOS", "Tablet"),
    _System(re.compile(r"\b(?:HarmonyOS|OpenHarmony)[ /]?([\d.]*)"), "HarmonyOS"),
    _System(re.compile(r"\bX11;.* Fedora\b(?:/([\d.]+))?"), "Fedora", "Desktop"),
    _System(re.compile(r"\bX11;.* Debian\b(?:/([\d.]+))?"), "Debian", "Desktop"),
    _System(re.compile(r"\bX11;.* Arch(?: Linux|;)"), "Arch Linux", "Desktop"),
    _System(re.compile(r"\bX11;.* Linux Mint\b(?:/([\d.]+))?"), "Mint", "Desktop"),
)
# Amazon's tablets and sticks name the Android underneath (https://developer.amazon.com/docs/fire-tablets/).
_FIRE = re.compile(r"\bAndroid ([\d.]+)[^)]*;\s*(KF[A-Z]{2,6}|AFT[A-Z0-9]{1,6})\b")
_FIRE_VERSIONS = {"4.4.3": "4.5", "4.4": "4", "4.2": "3", "4.0": "2", "2": "1", "5": "5", "7": "6", "9": "7"}
_FIRE_VERSIONS |= {"10": "8", "11": "8"}
# Only these tell telephones from tablets by the word "Mobile"; any other program is taken to be on a telephone.
_SAYS_MOBILE = re.compile(r"\bSafari/|\bFirefox/")
_TELEVISION = re.compile(r"\b(?:Smart|Google|Android)?[- ]?TV\b|\bBRAVIA\b")
_TABLET = re.compile(r"\b(?:tab|tablet|pad|SM-[TX]\d{3})\b", re.IGNORECASE)

_HINT_BRANDS = {
    "Google Chrome": "Chrome",
    "Microsoft Edge": "Microsoft Edge",
    "Opera": "Opera",
    "Opera GX": "Opera GX",
    "Brave": "Brave",
    "Vivaldi": "Vivaldi",
    "Yandex": "Yandex Browser",
    "YaBrowser": "Yandex Browser",
    "Samsung Internet": "Samsung Browser",
    "DuckDuckGo": "DuckDuckGo Privacy Browser",
    "Whale": "Whale Browser",
    "HuaweiBrowser": "Huawei Browser Mobile",
    "Android WebView": MOBILE_APP,
}
# No others: a header says whatever its sender likes, and what it says would be kept.
_HINT_SYSTEMS = {
    "macOS": "Mac",
    "Linux": "GNU/Linux",
    **{name: name for name in ("Android", "Chrome OS", "Chromium OS", "Fuchsia", "HarmonyOS", "iOS", "Windows")},
}
_VERSION = re.compile(r"\d{1,5}(?:\.\d{1,5})?(?![^.])")
# A family out of the user agent itself may be any word of an app's maker, or of whoever wrote the header.
_FAMILY = re.compile(r"[A-Za-z][\w .+!&'/-]{0,39}", re.ASCII)
_BRAND = re.compile(r'"([^"]*)";\s*v="([^"]*)"')
_DISTRIBUTIONS = frozenset({"Ubuntu", "Fedora", "Debian", "Arch Linux", "Mint", "Gentoo", "Red Hat", "SUSE"})
# Windows counts its platform version anew: 13 and above is Windows 11
# (https://learn.microsoft.com/microsoft-edge/web-platform/how-to-detect-win11).
_WINDOWS = {"0.1": "7", "0.2": "8", "0.3": "8.1"}


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

    `hints` holds request headers under lower-case names; all but hints are ignored. Chromium freezes its user agent;
    the hints hold the true version and platform (https://wicg.github.io/ua-client-hints/).
    """
    user_agent = user_agent[:LONGEST_AGENT]
    if not hints or ("sec-ch-ua" not in hints and "sec-ch-ua-platform" not in hints):
        return _parsed(user_agent)
    return _corrected(user_agent, tuple(hints.get(name, "")[:LONGEST_AGENT] for name in HINTS))


@lru_cache(maxsize=20_000)
def _parsed(user_agent: str) -> Agent:
    if not user_agent.strip():
        return Agent()
    found = _seen(user_agent)
    browser, browser_version = _browser(found)
    system, version, device = _system(found)
    return Agent(browser, browser_version, system, version, device or _device(found, system))


# Both libraries are imported where they are used: most commands of the command line never do, and they take long.


@cache
def _parser() -> ua_parser.Parser:
    import ua_parser  # noqa: PLC0415
    from ua_parser.regex import Resolver  # noqa: PLC0415

    # It has a cache of its own; ours is enough.
    return ua_parser.Parser(Resolver(ua_parser.load_builtins()))


def prepare() -> None:
    """Build the tables, which takes a third of a second: before the first visitor comes, not in their request."""
    _seen("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/118.0")


def _seen(text: str) -> Any:
    """Return the `user-agents` object, fed by the fast parser instead of the slow one that it would call itself."""
    from user_agents.parsers import UserAgent, parse_browser, parse_device, parse_operating_system  # noqa: PLC0415

    result = _parser().parse(text).with_defaults()
    found: Any = UserAgent.__new__(UserAgent)
    browser, system, device = result.user_agent, result.os, result.device
    found.ua_string = text
    found.browser = parse_browser(browser.family, browser.major, browser.minor, browser.patch)
    found.os = parse_operating_system(system.family, system.major, system.minor, system.patch)
    found.device = parse_device(device.family, device.brand, device.model)
    # As written: 22.04 is not 22.4.
    found.versions = (_version(browser.major, browser.minor), _version(system.major, system.minor))
    return found


def _version(major: str | None, minor: str | None) -> str:
    """Return what is a version: few digits, or a short name such as XP."""
    parts = [part for part in (major, minor) if part]
    return ".".join(parts) if all(_VERSION_PART.fullmatch(part) for part in parts) else ""


def _family(name: str) -> str:
    """Return a family as it may be kept: empty for what is none, and where the guard finds anything in it."""
    return name if name != _UNKNOWN and _FAMILY.fullmatch(name) and not scrub_text(name).removed else ""


def _browser(found: Any) -> tuple[str, str]:
    tv = _BROWSER_IN_TV.search(found.ua_string)
    if tv:
        return "Chrome", tv[1]
    framed = _CHROME_FRAME.search(found.ua_string)
    if framed:
        return "Internet Explorer", framed[1]
    family = found.browser.family
    name = _BROWSERS.get(family) or ("" if _OWN_REQUEST.search(found.ua_string) else _family(family))
    if name == MOBILE_APP or (_APP.search(found.ua_string) and found.os.family in {"Android", "iOS"}):
        return MOBILE_APP, ""
    return name, found.versions[0] if name else ""


def _system(found: Any) -> tuple[str, str, str]:
    """Return name, version, and the device where the system is only on one kind."""
    fire = _FIRE.search(found.ua_string)
    if fire:
        return "Fire OS", _fire_version(fire[1]), "Tablet" if fire[2].startswith("KF") else "Desktop"
    for system in _MISSED_SYSTEMS:
        match = system.pattern.search(found.ua_string)
        if match:
            said = match[1] if match.lastindex else "11" if system.name == "Windows" else ""
            return system.name, _short((said or "").replace("_", ".")), system.device
    family = found.os.family
    return _SYSTEMS.get(family) or _family(family), found.versions[1], ""


def _fire_version(android: str) -> str:
    parts = android.split(".")
    keys = (".".join(parts[:size]) for size in (3, 2, 1))
    return next((_FIRE_VERSIONS[key] for key in keys if key in _FIRE_VERSIONS), "")


def _device(found: Any, system: str) -> str:
    if system == "Android" and _TELEVISION.search(found.ua_string):
        return "Desktop"
    if system == "Android" and _TABLET.search(found.ua_string):
        return "Tablet"
    if system == "Android" and not _SAYS_MOBILE.search(found.ua_string):
        return "Mobile"
    if found.is_tablet or found.is_mobile:
        return "Tablet" if found.is_tablet else "Mobile"
    return {"Android": "Mobile", "iOS": "Mobile", "HarmonyOS": "Mobile"}.get(system, "Desktop" if system else "")


def _short(version: str) -> str:
    found = _VERSION.match(version)
    return found[0] if found else ""


@lru_cache(maxsize=20_000)
def _corrected(user_agent: str, hints: tuple[str, ...]) -> Agent:
    brands, full_list, full, platform, platform_version, mobile, model = (hint.strip() for hint in hints)
    agent = _parsed(user_agent)
    agent = _with_brand(agent, dict(_BRAND.findall(brands)), dict(_BRAND.findall(full_list)), full.strip('"'))
    corrected = _with_platform(agent, platform.strip('"'), platform_version.strip('"'))
    return replace(corrected, device=_hinted_device(agent, corrected, mobile, model.strip('"')))


def _with_brand(agent: Agent, brands: dict[str, str], full_list: dict[str, str], full: str) -> Agent:
    """Believe the brand; its version too, unless it is Chromium's under another's name."""
    brand = next((name for name in brands | full_list if name in _HINT_BRANDS), "")
    if not brand or agent.browser == MOBILE_APP:
        return agent
    browser = _HINT_BRANDS[brand]
    if browser == MOBILE_APP:
        return replace(agent, browser=browser, browser_version="")
    major = brands.get(brand, "").partition(".")[0]
    said = full_list.get(brand) or (full if full.partition(".")[0] == major else "") or brands.get(brand, "")
    chromium = full_list.get("Chromium") or brands.get("Chromium", "")
    borrowed = said == chromium and brand != "Google Chrome"
    if browser == agent.browser and (borrowed or "." not in said):
        return agent
    return replace(agent, browser=browser, browser_version=_short(said))


def _with_platform(agent: Agent, platform: str, version: str) -> Agent:
    """Believe the platform, but keep a distribution that the user agent names."""
    system = _HINT_SYSTEMS.get(platform, "") or agent.os
    if system == "GNU/Linux" and agent.os in _DISTRIBUTIONS:
        system = agent.os
    if system == "Android" and agent.os in {"Fire OS", "HarmonyOS"}:
        return agent
    if version:
        return replace(agent, os=system, os_version=_hinted_version(system, version))
    same = system == agent.os or {system, agent.os} == {"Chrome OS", "Chromium OS"}
    return replace(agent, os=system, os_version=agent.os_version if same else "")


def _hinted_version(system: str, version: str) -> str:
    major = version.partition(".")[0]
    if system != "Windows" or not major.isdecimal():
        return _short(version)
    return _WINDOWS.get(_short(version)) or ("11" if int(major) >= 13 else "10" if int(major) else "")


def _hinted_device(agent: Agent, corrected: Agent, mobile: str, model: str) -> str:
    if mobile == "?1" and agent.device in {"Desktop", ""}:
        return "Mobile"
    if corrected.os == "Android" and agent.os in {"GNU/Linux", "Mac"}:  # "desktop site" is asked for
        return "Tablet" if _TABLET.search(model) else "Mobile"
    return corrected.device
