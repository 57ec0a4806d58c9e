"""Persons' browsers told from programs."""

from __future__ import annotations

from typing import Any

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from tests.support.vectors import cases
from webmon.domain.bots import is_bot

# One case says what an endpoint answers, not what is a bot.
JUDGED = [
    case for case in cases("bots.json", "user_agents") if {"bot", "counted"} & case.values[0]["expected"].keys()
]


@pytest.mark.parametrize("case", JUDGED)
def test_bots_and_browsers_are_told_apart_as_elsewhere(case: dict[str, Any]) -> None:
    expected = case["expected"]
    assert is_bot(case["input"]["user_agent"]) is expected.get("bot", not expected.get("counted", True))


@pytest.mark.parametrize(
    "user_agent", ["", "   ", "-", "Mozilla/5.0", "Mozilla/4.0 (compatible;)", "portscout/0.8.1"]
)
def test_an_agent_that_says_nothing_of_a_browser_is_a_program(user_agent: str) -> None:
    assert is_bot(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-urllib3/2.2.1",
        "okhttp/4.12.0",
        "axios/1.7.2",
        "PostmanRuntime/7.39.0",
        "Reeder/2.1.1 CFNetwork/672.0.8 Darwin/14.0.0",
        "Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A)",
        "Mozilla/5.0 (compatible; Ezooms/1.0; help@moz.com)",
        "Mozilla/5.0 (Windows NT 6.1; rv:6.0) Gecko/20110814 Firefox/6.0 Google favicon",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
        " MyMonitor/1.0 (+https://monitor.example/about)",
    ],
)
def test_libraries_and_apps_without_a_page_are_programs(user_agent: str) -> None:
    assert is_bot(user_agent)


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (Linux; Android 9; CUBOT_P30) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0.4844.73"
        " Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11; KINGKONG 5 CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/99.0"
        " Mobile Safari/537.36",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
        " Safari/605.1.15 (Ecosia ios@10.0.4.1853)",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Mobile/15E148 [FBAN/FBIOS;FBAV/470.0.0.38.101;FBBV/615614577]",
        "Lynx/2.8.9rel.1 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.2",
        "SAMSUNG-GT-E2232/1.0 Openwave/6.2.3 Profile/MIDP-2.0 Configuration/CLDC-1.1 UP.Browser/6.2.3.3.c.1.101",
        "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1.32052/34.1244; U; en) Presto/2.8.119 Version/11.10",
    ],
)
def test_rare_browsers_are_persons(user_agent: str) -> None:
    assert not is_bot(user_agent)


def test_every_example_of_the_list_is_a_bot() -> None:
    missed = [agent for entry in CRAWLER_USER_AGENTS_DATA for agent in entry["instances"] if not is_bot(agent)]
    assert missed == []
